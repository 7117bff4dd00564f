"""paho's client with fewer system calls: it takes from the socket what is there, not one byte and one packet at a time.

paho asks the socket for the first byte of a packet, for each byte of its length, for its rest, and whether there is
more. At ten thousand small messages per second that is most of the work, and after each call the network thread may
have to wait for its turn among the interpreter's threads.
"""

from __future__ import annotations

import paho.mqtt.client as mqtt
from paho.mqtt.enums import MQTTErrorCode

CHUNK_BYTES = 64 * 1024
# Packets that are read before the client looks after what it has to send.
PACKETS_AT_ONCE = 500


class BufferedReads(mqtt.Client):
    """Overrides how paho reads from its socket: the one method that does so, which is not part of its interface. Were
    it no longer called, everything would work as before, only slower."""

    _chunk, _position = b"", 0

    def loop_read(self, max_packets: int = 1) -> MQTTErrorCode:
        """Read the packets that have arrived."""
        code = super().loop_read(max_packets)
        for _ in range(PACKETS_AT_ONCE):
            if code != MQTTErrorCode.MQTT_ERR_SUCCESS or self._position >= len(self._chunk):
                break
            code = super().loop_read(max_packets)
        return code

    def _sock_recv(self, bufsize: int) -> bytes:
        position = self._position
        if position >= len(self._chunk):
            # Nothing of what was received is left: a call that fails leaves it so.
            self._chunk, self._position = b"", 0
            self._chunk = super()._sock_recv(max(bufsize, CHUNK_BYTES))
            position = 0
        self._position = position + bufsize
        return self._chunk[position : position + bufsize]
