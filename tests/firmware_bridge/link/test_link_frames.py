"""Frames: what goes in comes out, and nothing else does."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.benchmarks.link_noise import Damage, run_noise
from vedette.firmware_bridge.link.frames import (
    MAX_ENCODED,
    MAX_PAYLOAD,
    TYPE_HELLO,
    Frame,
    FrameDecoder,
    cobs_decode,
    cobs_encode,
    encode,
)

frames = st.builds(
    Frame, st.integers(0, 255), st.integers(0, 65535), st.binary(max_size=MAX_PAYLOAD), version=st.just(1)
)


@given(st.binary(max_size=1200))
def test_cobs_gives_back_what_it_was_given_without_zeros_on_the_way(data: bytes) -> None:
    encoded = cobs_encode(data)
    assert 0 not in encoded
    assert len(encoded) <= len(data) + 1 + len(data) // 254
    assert cobs_decode(encoded) == data


@pytest.mark.parametrize(
    ("data", "encoded"),
    [
        (b"", b"\x01"),
        (b"\0", b"\x01\x01"),
        (b"\x11\x22\0\x33", b"\x03\x11\x22\x02\x33"),
        (bytes(range(1, 255)), b"\xff" + bytes(range(1, 255))),
        (b"\0" + bytes(range(1, 255)), b"\x01\xff" + bytes(range(1, 255))),
        (bytes(range(1, 256)), b"\xff" + bytes(range(1, 255)) + b"\x02\xff"),
        (bytes(range(2, 256)) + b"\0", b"\xff" + bytes(range(2, 256)) + b"\x01\x01"),
    ],
)
def test_cobs_is_that_of_its_paper(data: bytes, encoded: bytes) -> None:
    assert cobs_encode(data) == encoded


@given(st.lists(frames, max_size=8), st.integers(1, 600))
def test_frames_come_out_however_the_bytes_are_cut(sent: list[Frame], size: int) -> None:
    wire = b"".join(map(encode, sent))
    decoder = FrameDecoder()
    received = [frame for at in range(0, len(wire), size) for frame in decoder.feed(wire[at : at + size])]
    assert received == sent
    assert decoder.counts.damaged == decoder.counts.oversized == 0


@given(st.binary(max_size=4000), st.integers(1, 700))
def test_no_bytes_break_the_decoder_and_the_next_frame_but_one_is_received(noise: bytes, size: int) -> None:
    decoder = FrameDecoder()
    for at in range(0, len(noise), size):
        decoder.feed(noise[at : at + size])
    assert len(decoder._rest) <= MAX_ENCODED
    decoder.feed(encode(Frame(4, 1, b"lost with the noise, unless that has ended")))
    assert decoder.feed(encode(Frame(4, 2, b"next"))) == [Frame(4, 2, b"next")]


@given(frames, st.data())
def test_a_frame_with_a_changed_byte_is_not_accepted(frame: Frame, data: st.DataObject) -> None:
    wire = bytearray(encode(frame))
    place = data.draw(st.integers(0, len(wire) - 2))
    wire[place] ^= data.draw(st.integers(1, 255))
    decoder = FrameDecoder()
    assert decoder.feed(bytes(wire)) == []
    assert decoder.counts.damaged >= 1


def test_what_is_longer_than_a_frame_is_one_loss_however_long() -> None:
    decoder = FrameDecoder()
    for _ in range(100):
        assert decoder.feed(b"\x41" * 1000) == []
    good = Frame(4, 0, b"after")
    assert decoder.feed(b"\0" + encode(good)) == [good]
    assert (decoder.counts.oversized, decoder.counts.damaged) == (1, 0)


def test_missing_frames_are_counted_over_the_wrap_of_the_sequence() -> None:
    decoder = FrameDecoder()
    for sequence in (65533, 65534, 1, 2):
        decoder.feed(encode(Frame(4, sequence, b"")))
    assert (decoder.counts.frames, decoder.counts.lost) == (4, 2)


def test_a_device_that_starts_anew_has_lost_nothing() -> None:
    decoder = FrameDecoder()
    for kind, sequence in ((4, 30000), (TYPE_HELLO, 0), (4, 1)):
        decoder.feed(encode(Frame(kind, sequence, b"")))
    assert decoder.counts.lost == 0
    decoder.feed(encode(Frame(4, 0, b"")))
    assert (decoder.counts.lost, decoder.counts.repeated) == (0, 1)


def test_a_frame_of_another_version_is_known_as_such_and_its_payload_is_not_read() -> None:
    decoder = FrameDecoder()
    (frame,) = decoder.feed(encode(Frame(TYPE_HELLO, 5, b"whatever version 9 has here", version=9)))
    assert (frame.version, frame.type, frame.payload) == (9, TYPE_HELLO, b"")
    assert decoder.counts.foreign == 1


def test_a_payload_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 512"):
        encode(Frame(4, 0, bytes(MAX_PAYLOAD + 1)))


@pytest.mark.slow
def test_of_damaged_frames_none_is_accepted_and_two_at_most_are_lost_with_one() -> None:
    found = run_noise(30_000, seed=random.randrange(1 << 30))
    assert found.bad == 0
    assert found.longest_loss <= 2
    assert all(found.damaged[damage] > 100 for damage in Damage)
    assert found.accepted > 0.9 * found.untouched
