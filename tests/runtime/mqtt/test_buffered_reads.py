"""paho's client with a buffer of its own: the same messages in whatever pieces they come, with fewer system calls."""

from __future__ import annotations

import socket

import paho.mqtt.client as mqtt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from vedette.benchmarks.mqtt_flood import publish_packet
from vedette.runtime.mqtt.buffered_reads import CHUNK_BYTES, PACKETS_AT_ONCE, BufferedReads


class Reader(BufferedReads):
    """A client at one end of a pair of sockets, which counts how often it asks its own."""

    def __init__(self, ours: socket.socket) -> None:
        super().__init__(CallbackAPIVersion.VERSION2)
        ours.setblocking(False)
        self._sock = ours
        self.seen: list[tuple[str, bytes]] = []
        self.on_message = lambda _c, _u, message: self.seen.append((message.topic, bytes(message.payload)))


@pytest.mark.slow
@given(
    sizes=st.lists(st.sampled_from([0, 1, 30, 127, 128, 5000, CHUNK_BYTES]), min_size=1, max_size=8),
    cuts=st.lists(st.integers(1, 4000), min_size=1, max_size=5),
)
def test_messages_arrive_whole_in_whatever_pieces_they_come(sizes: list[int], cuts: list[int]) -> None:
    ours, theirs = socket.socketpair()
    reader = Reader(ours)
    wanted = [(f"t/{number}", bytes([number]) * size) for number, size in enumerate(sizes)]
    stream = b"".join(publish_packet(topic, payload) for topic, payload in wanted)
    position = turn = 0
    while position < len(stream):
        cut = cuts[turn % len(cuts)]
        theirs.sendall(stream[position : position + cut])
        position, turn = position + cut, turn + 1
        assert reader.loop_read() == MQTTErrorCode.MQTT_ERR_SUCCESS
    while len(reader.seen) < len(wanted):
        assert reader.loop_read() == MQTTErrorCode.MQTT_ERR_SUCCESS
    assert reader.seen == wanted
    ours.close()
    theirs.close()


def test_many_small_messages_are_read_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also that paho still reads where the buffer is."""
    calls = []
    receive = mqtt.Client._sock_recv

    def counted(client: mqtt.Client, size: int) -> bytes:
        calls.append(size)
        return receive(client, size)

    monkeypatch.setattr(mqtt.Client, "_sock_recv", counted)
    ours, theirs = socket.socketpair()
    reader = Reader(ours)
    theirs.sendall(publish_packet("t", b"x") * (PACKETS_AT_ONCE + 10))
    reader.loop_read()
    assert len(reader.seen) == PACKETS_AT_ONCE + 1, "what is to be sent must have its turn"
    reader.loop_read()
    assert len(reader.seen) == PACKETS_AT_ONCE + 10
    assert len(calls) == 1
    ours.close()
    theirs.close()


def test_the_end_of_a_connection_is_seen() -> None:
    ours, theirs = socket.socketpair()
    reader = Reader(ours)
    theirs.sendall(publish_packet("t", b"last"))
    theirs.close()
    reader.loop_read()
    assert reader.seen == [("t", b"last")]
    assert reader.loop_read() != MQTTErrorCode.MQTT_ERR_SUCCESS
    ours.close()
