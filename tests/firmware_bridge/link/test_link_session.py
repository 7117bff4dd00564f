"""The gateway's half of the protocol, without a port."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.firmware_bridge.link import messages
from vedette.firmware_bridge.link.frames import VERSION, Frame, FrameDecoder, encode
from vedette.firmware_bridge.link.messages import (
    AlertStep,
    Channels,
    ChannelUnit,
    Error,
    Hello,
    HelloRequest,
    Log,
    Message,
    Samples,
    Share,
    TimeReply,
    TimeRequest,
)
from vedette.firmware_bridge.link.session import Complaint, Ready, Rows, Session, SessionEvent, Step, Told

HELLO = Hello(1, 10_000, True, 3, "pump-7", "fw 1.4", "pump", "2.0", 7)
CHANNELS = (ChannelUnit("x", "mm/s"), ChannelUnit("y", ""), ChannelUnit("z", ""))


class Talk:
    """A session and what a device would say to it."""

    def __init__(self, now: float = 100.0) -> None:
        self.now, self.sequence = now, 0
        self.session = Session(now)
        self._decoder = FrameDecoder()

    def say(self, *said: Message, version: int = VERSION) -> list[SessionEvent]:
        wire = b""
        for message in said:
            wire += encode(Frame(message.TYPE, self.sequence, message.payload(), version))
            self.sequence += 1
        return self.session.receive(wire, self.now)

    def hear(self) -> list[Message]:
        frames = self._decoder.feed(self.session.to_send(self.now))
        return [messages.read(frame.type, frame.payload) for frame in frames]

    def greet(self, hello: Hello = HELLO) -> list[SessionEvent]:
        return self.say(hello, Channels(0, CHANNELS[:2]), Channels(2, CHANNELS[2:]))

    def tell_time(self, ms: int) -> None:
        (request,) = self.hear()
        assert isinstance(request, TimeRequest)
        self.now += 0.002
        self.say(TimeReply(request.token, ms))


def rows(ms: int, count: int = 1) -> Samples:
    return Samples(ms, np.arange(count * 3, dtype=np.float32).reshape(count, 3))


def test_the_hello_is_asked_for_until_all_of_it_is_there() -> None:
    talk = Talk()
    assert talk.hear() == [HelloRequest(VERSION, VERSION)]
    assert talk.hear() == []
    talk.now += 1.1
    assert talk.say(HELLO, Channels(0, CHANNELS[:2])) == []
    assert talk.hear() == [HelloRequest(VERSION, VERSION)]
    (ready,) = talk.greet()
    assert isinstance(ready, Ready)
    assert ready.device.channels == CHANNELS
    assert talk.greet() == []  # said twice


def test_rows_have_the_time_of_the_device_by_the_gateways_clock() -> None:
    talk = Talk(100.0)
    talk.hear()
    talk.greet()
    assert talk.say(rows(5000)) == []  # its time is not known yet
    talk.tell_time(5000)
    (event,) = talk.say(rows(6000, 3))
    assert isinstance(event, Rows)
    assert event.times == pytest.approx([101.001, 101.011, 101.021], abs=0.001)
    np.testing.assert_array_equal(event.values, rows(0, 3).values)


def test_the_clock_is_measured_at_once_and_then_every_few_seconds() -> None:
    talk = Talk()
    talk.hear()
    talk.greet()
    for _ in range(8):
        talk.tell_time(int(talk.now * 1000))
    assert talk.hear() == []
    talk.now += 5.1
    assert len(talk.hear()) == 1
    talk.say(TimeReply(12345, 0))  # an answer that nobody asked for
    talk.now += 5.1
    assert len(talk.hear()) == 1


def test_a_device_that_tells_no_time_is_used_all_the_same() -> None:
    talk = Talk()
    talk.greet()
    talk.now += 1.9
    assert talk.say(rows(1900)) == []
    talk.now += 0.2
    (event,) = talk.say(rows(2100))
    assert isinstance(event, Rows)
    assert event.times == [pytest.approx(talk.now)]


def test_a_device_that_starts_anew_says_so_and_its_time_is_measured_again() -> None:
    talk = Talk()
    talk.hear()
    talk.greet()
    talk.tell_time(4_000_000_000)
    assert talk.say(rows(4_000_000_100))
    (ready,) = talk.greet(replace(HELLO, session=2))
    assert isinstance(ready, Ready)
    assert talk.say(rows(1)) == []
    talk.tell_time(10)
    (event,) = talk.say(rows(11))
    assert isinstance(event, Rows)
    assert event.times == [pytest.approx(talk.now, abs=0.002)]


def test_the_start_of_an_incident_may_lie_before_the_wrap_of_the_counter() -> None:
    talk = Talk()
    talk.hear()
    talk.greet()
    talk.tell_time(500)
    alert = AlertStep(1, 1, "new", 500, 2**32 - 1500, 0, 3.0, 1.0, 3.0, (Share(2, 1.0, 5.0, 1.0),))
    (step,) = talk.say(alert)
    assert isinstance(step, Step)
    assert step.alert == alert
    assert step.time - step.start == pytest.approx(2.0)


@pytest.mark.parametrize(("version", "remedy"), [(2, "update the gateway"), (0, "vedette_link.c of this vedette")])
def test_another_version_is_answered_and_told_with_both_numbers(version: int, remedy: str) -> None:
    talk = Talk()
    talk.hear()
    (told,) = talk.say(HELLO, rows(1), version=version)
    assert isinstance(told, Complaint)
    assert told.rejected
    assert f"version {version} of the link, this gateway speaks version 1" in told.text
    assert remedy in told.text
    (error,) = talk.hear()
    assert error == Error(1, f"the device speaks version {version} of the link, this gateway speaks version 1")
    assert talk.say(rows(2), version=version) == []  # not again at once


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (Samples(1, np.zeros((1, 2), np.float32)), "2 channels, but the hello has 3"),
        (AlertStep(1, 1, "new", 1, 1, 0, 3.0, 1.0, 3.0, (Share(3, 1.0, 5.0, 1.0),)), "a channel above those 3"),
    ],
)
def test_what_does_not_fit_to_the_hello_is_refused_with_the_reason(message: Message, told: str) -> None:
    talk = Talk()
    talk.hear()
    talk.greet()
    talk.tell_time(1)
    (complaint,) = talk.say(message)
    assert isinstance(complaint, Complaint)
    assert complaint.rejected
    assert told in complaint.text


def test_several_rows_in_a_frame_need_a_period() -> None:
    talk = Talk()
    talk.hear()
    talk.greet(replace(HELLO, period_us=0))
    talk.tell_time(1)
    (complaint,) = talk.say(rows(1, 2))
    assert isinstance(complaint, Complaint)
    assert "no sample period" in complaint.text
    (event,) = talk.say(rows(1))
    assert isinstance(event, Rows)


def test_channels_with_the_same_name_are_refused() -> None:
    talk = Talk()
    (complaint,) = talk.say(HELLO, Channels(0, (CHANNELS[0],) * 3))
    assert isinstance(complaint, Complaint)
    assert "different names" in complaint.text


def test_noise_without_any_frame_is_told_once_with_the_likely_reason() -> None:
    talk = Talk()
    events = []
    for _ in range(50):
        talk.now += 0.1
        events += talk.session.receive(b"\x9c\0\x1f\xe0", talk.now)
    (told,) = events
    assert isinstance(told, Complaint)
    assert "baud" in told.text


def test_the_devices_own_log_is_passed_on_even_before_its_hello() -> None:
    assert Talk().say(Log(1, 40, "sensor broken")) == [Told(Log(1, 40, "sensor broken"))]


@given(st.lists(st.tuples(st.integers(0, 20), st.binary(max_size=60), st.booleans()), max_size=30))
def test_no_frames_and_no_bytes_break_a_session(pieces: list[tuple[int, bytes, bool]]) -> None:
    talk = Talk()
    talk.greet()
    for number, (kind, payload, framed) in enumerate(pieces):
        talk.session.receive(encode(Frame(kind, number, payload)) if framed else payload, talk.now)
        talk.now += 0.3
        talk.session.to_send(talk.now)
