"""Messages: each is read as it was written, and nothing else is a message."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.firmware_bridge.link import messages
from vedette.firmware_bridge.link.frames import MAX_PAYLOAD
from vedette.firmware_bridge.link.messages import (
    Ack,
    AlertStep,
    Channels,
    ChannelUnit,
    Error,
    Hello,
    HelloRequest,
    Log,
    Message,
    MessageError,
    Samples,
    Score,
    Share,
    TimeReply,
    TimeRequest,
)

u8, u16, u32 = st.integers(0, 255), st.integers(0, 65535), st.integers(0, 2**32 - 1)
texts = st.text(max_size=16).filter(str.isprintable)
scores = st.floats(0, 1e300)
thresholds = st.floats(1e-300, 1e300)
floats = st.floats(width=32, allow_nan=False)
shares = st.builds(Share, u8, st.floats(0, 1, width=32), floats, floats)
channels = st.builds(ChannelUnit, texts, texts)
ascii_texts = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=200)
any_message: st.SearchStrategy[Message] = st.one_of(
    st.builds(HelloRequest, u8, u8),
    st.builds(Hello, u32, u32, st.booleans(), st.integers(1, 126), texts, texts, texts, texts, u32),
    st.builds(Channels, st.integers(0, 100), st.lists(channels, min_size=1, max_size=3).map(tuple)),
    st.builds(Score, u32, scores, thresholds),
    st.builds(
        AlertStep, u32, st.integers(1, 65535), st.sampled_from(messages.PHASES), u32, u32, u32, scores, thresholds,
        scores, st.lists(shares, max_size=16).map(tuple),
    ),
    st.builds(Log, u32, st.sampled_from(messages.LEVELS), ascii_texts),
    st.builds(TimeRequest, u32),
    st.builds(TimeReply, u32, u32),
    st.builds(Ack, u32, u16),
    st.builds(Error, u8, ascii_texts),
)  # fmt: skip


@given(any_message)
def test_a_message_is_read_as_it_was_written(message: Message) -> None:
    payload = message.payload()
    assert len(payload) <= MAX_PAYLOAD
    assert messages.read(message.TYPE, payload) == message


@given(st.integers(1, 12), st.integers(1, 10), st.data())
def test_samples_keep_their_bits_missing_ones_included(rows: int, channels: int, data: st.DataObject) -> None:
    count = rows * channels
    values = np.array(data.draw(st.lists(st.floats(width=32), min_size=count, max_size=count)), np.float32)
    sent = Samples(data.draw(u32), values.reshape(rows, channels))
    found = messages.read(Samples.TYPE, sent.payload())
    assert isinstance(found, Samples)
    assert found.time_ms == sent.time_ms
    assert found.values.tobytes() == sent.values.tobytes()
    assert found.values.shape == (rows, channels)


@given(st.integers(0, 255), st.binary(max_size=MAX_PAYLOAD))
def test_any_bytes_are_a_message_or_an_error_that_says_so(kind: int, payload: bytes) -> None:
    try:
        message = messages.read(kind, payload)
    except MessageError:
        return
    if not isinstance(message, (Log, Error)):  # texts of these are shown, and made harmless
        assert message.payload() == payload


@given(any_message, st.data())
def test_a_message_cut_short_or_with_more_behind_it_is_an_error(message: Message, data: st.DataObject) -> None:
    payload = message.payload()
    if isinstance(message, (Log, Error)):
        return
    cut = data.draw(st.integers(0, len(payload) - 1))
    with pytest.raises(MessageError):
        messages.read(message.TYPE, payload[:cut])
    with pytest.raises(MessageError, match="too many"):
        messages.read(message.TYPE, payload + b"\0")


@pytest.mark.parametrize(
    ("kind", "payload", "told"),
    [
        (0x7F, b"", "type 0x7f"),
        (Hello.TYPE, struct.pack("<IIIBB", 1, 1, 1, 2, 3) + bytes(4), "flags 0 or 1"),
        (Hello.TYPE, struct.pack("<IIIBB", 1, 1, 1, 0, 127) + bytes(4), "1 to 126 channels"),
        (Hello.TYPE, struct.pack("<IIIBB", 1, 1, 1, 0, 1) + b"\x02\xff\xfe" + bytes(3), "not UTF-8"),
        (Hello.TYPE, struct.pack("<IIIBB", 1, 1, 1, 0, 1) + b"\x02a\n" + bytes(3), "without control characters"),
        (Hello.TYPE, struct.pack("<IIIBB", 1, 1, 1, 0, 1) + b"\x41" + b"a" * 65 + bytes(3), "at most 64 bytes"),
        (Channels.TYPE, b"\x7e\x01\x01a\0", "from number 126"),
        (Samples.TYPE, struct.pack("<IBB", 0, 0, 3), "at least one row"),
        (Samples.TYPE, struct.pack("<IBB", 0, 255, 126), "too few"),
        (Score.TYPE, struct.pack("<Idd", 0, float("nan"), 1.0), "finite scores"),
        (Score.TYPE, struct.pack("<Idd", 0, 1.0, 0.0), "threshold above 0"),
        (AlertStep.TYPE, struct.pack("<IHBBIIIddd", 1, 1, 4, 0, 0, 0, 0, 1.0, 1.0, 1.0), "phase 1 to 3"),
        (Log.TYPE, struct.pack("<IB", 0, 50), "expected a level"),
    ],
)
def test_what_no_device_may_say_is_refused_with_the_reason(kind: int, payload: bytes, told: str) -> None:
    with pytest.raises(MessageError, match=told):
        messages.read(kind, payload)


def test_a_log_line_cannot_fake_another_one() -> None:
    log = messages.read(Log.TYPE, struct.pack("<IB", 0, 20) + b"ok\n\x1b[2Jgateway: \xff")
    assert isinstance(log, Log)
    assert log.text.startswith("ok??[2Jgateway: ")
    assert log.text.isprintable()


def test_what_does_not_fit_into_a_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 512"):
        Samples(0, np.zeros((13, 10), np.float32)).payload()
    with pytest.raises(ValueError, match="at most 64 bytes"):
        Hello(1, 1, False, 1, "x" * 65, "", "", "", 0).payload()
