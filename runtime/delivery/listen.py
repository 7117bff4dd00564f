"""A consumer of alerts: keeps a session at the broker, leaves out what it has seen, acknowledges what it got.

Every consumer can work like this. For each event, in this order:

1. Is its id among those dealt with? Then it is a duplicate: go to 4.
2. Deal with it; here it is printed.
3. Remember its id, where a restart finds it: :mod:`vedette.runtime.delivery.seen`.
4. Send the id to ``vedette/<gateway>/ack``: the gateway stops sending the event.
5. Only now let the broker have its PUBACK: it stops sending the event.

A kill at any point loses nothing. One between 2 and 3 shows an event twice, with the same id; only a consumer that
deals with the event and remembers its id in one transaction, of a database for example, is free of that too.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

import click
import paho.mqtt.client as mqtt

from vedette.errors import BrokerError, DataError, OutputError
from vedette.runtime import strict_json
from vedette.runtime.delivery.acks import encode_ack
from vedette.runtime.delivery.cloudevents import FAULT_PREFIX, SUPPRESSED_TYPE, TYPE_CHECK, TYPE_PREFIX
from vedette.runtime.delivery.seen import SeenIds
from vedette.runtime.events import Event, about
from vedette.runtime.mqtt.connection import MqttConfig
from vedette.runtime.mqtt.link import Link, LinkEvent

log = logging.getLogger(__name__)

TOPIC = "vedette/+/alert/#"
SESSION_S = 7 * 24 * 3600
MAX_EVENT_BYTES = 1024 * 1024
_TICK_S = 0.2
_COLOURS = {"new": "red", "update": "yellow", "end": "green"}


class Listener:
    """Receives alert events until enough have come, or the time is up."""

    def __init__(self, config: MqttConfig, show: Callable[[dict[str, Any]], None], *, seen: SeenIds) -> None:
        """``show`` is called once for each event that is not in ``seen``, on the network thread."""
        self._events: SimpleQueue[LinkEvent] = SimpleQueue()
        self._link = Link(config, post=self._events.put, session_expiry_s=SESSION_S)
        self._link.subscribe(TOPIC, self._receive, qos=1)
        self._show = show
        self._seen = seen
        self._failure: OutputError | None = None
        self._limit: int | None = None
        self.shown = 0
        self.duplicates = 0

    def run(self, *, count: int | None, timeout: float | None) -> None:
        """Listen until ``count`` events were shown or ``timeout`` seconds have passed; None is without end.

        Raises :class:`BrokerError` where there was no connection within the time-out, :class:`OutputError` where an
        event could not be printed or remembered; it stays with the broker.
        """
        self._limit = count
        deadline = None if timeout is None else time.monotonic() + timeout
        try:
            while not self._enough() and (deadline is None or time.monotonic() < deadline):
                self._step()
            # The acknowledgements of the last events are still on their way.
            last = time.monotonic() + 2.0
            while self._link.unconfirmed and time.monotonic() < last:
                self._step()
        finally:
            self._link.close()
        if self._failure is not None:
            raise self._failure
        if self._link.connections == 0 and timeout is not None:
            raise BrokerError(f"no connection to {self._link.config.address} within {timeout:g} s; is the broker up?")

    def _step(self) -> None:
        self._link.step()
        try:
            self._link.handle(self._events.get(timeout=_TICK_S))
        except Empty:
            return

    def _enough(self) -> bool:
        return self._failure is not None or (self._limit is not None and self.shown >= self._limit)

    def _receive(self, message: mqtt.MQTTMessage) -> bool:
        """Network thread: deal with a message; False leaves it with the broker."""
        if self._enough():
            return False  # for the next run
        try:
            event = read_event(bytes(message.payload))
        except DataError as error:
            if TYPE_CHECK.encode() not in message.payload:
                log.warning("%s: not an alert: %s", message.topic, error, extra=about(Event.NOT_AN_ALERT))
            return True
        if event["id"] in self._seen:
            self.duplicates += 1
        elif not self._deal_with(event):
            return False
        gateway = message.topic.split("/")[1]
        self._link.publish(f"vedette/{gateway}/ack", encode_ack([event["id"]]))
        return True

    def _deal_with(self, event: dict[str, Any]) -> bool:
        try:
            self._show(event)
            self._seen.add(event["id"])
        except BrokenPipeError:  # whoever read our output has gone
            self._limit = self.shown
            return False
        except OSError as error:
            self._failure = OutputError(f"an event could not be printed: {error}")
            return False
        except OutputError as error:
            self._failure = error
            return False
        self.shown += 1
        return True


def read_event(payload: bytes) -> dict[str, Any]:
    """An alert, fault or summary event, with every key that is used checked. Raises :class:`DataError`."""
    event = strict_json.loads(payload, max_bytes=MAX_EVENT_BYTES, what="event")
    data = event.get("data") if isinstance(event, dict) else None
    kind = str(event.get("type")) if isinstance(event, dict) else ""
    if not isinstance(data, dict) or not (kind.startswith((TYPE_PREFIX, FAULT_PREFIX)) or kind == SUPPRESSED_TYPE):
        raise DataError("expected a CloudEvent of a vedette alert, fault or summary")
    texts = [event.get("id"), event.get("source"), event.get("time")]
    if kind != SUPPRESSED_TYPE:
        texts += [data.get("phase"), data.get("reason", "")]
    if kind.startswith(FAULT_PREFIX):
        texts += [data.get("kind"), data.get("detail")]
    if not all(isinstance(text, str) and text.isprintable() for text in texts):
        raise DataError("expected id, source, time, phase and what else is told as printable text in the event")
    if kind.startswith(TYPE_PREFIX):
        _check_alert(data)
    elif kind == SUPPRESSED_TYPE and not all(type(data.get(key)) is int for key in ("alerts", "faults")):
        raise DataError("expected the numbers of alerts and faults in the event")
    return event  # type: ignore[no-any-return]


def _check_alert(data: dict[str, Any]) -> None:
    channels = data.get("channels")
    if not isinstance(data.get("severity"), (int, float)) or not isinstance(channels, list):
        raise DataError("expected severity and channels in the event")
    for channel in channels:
        if not isinstance(channel, dict) or not isinstance(channel.get("share"), (int, float)):
            raise DataError("expected name and share of each channel in the event")


def event_line(event: dict[str, Any], *, colour: bool) -> str:
    """One line for people: time, stream and phase, then what happened.

    Of an alert that is its severity and the channels with their shares, of a fault its kind and detail, of a summary
    how much was held back.
    """
    data, kind = event["data"], event["type"]
    if kind == SUPPRESSED_TYPE:
        phase, what = "held", f"suppressed: {data['alerts']} alert(s), {data['faults']} fault(s)"
    elif kind.startswith(FAULT_PREFIX):
        phase, what = str(data["phase"]), f"fault {data['kind']}: {data['detail']}"
    else:
        channels = data["channels"]
        shares = "  ".join(f"{str(channel.get('name'))[:24]!s} {channel['share']:.0%}" for channel in channels)
        phase, what = str(data["phase"]), f"severity {data['severity']:6.2f}  {shares}"
    stream = event["source"].lstrip("/")
    told = click.style(f"{phase:<6}", fg=_COLOURS.get(phase), bold=True) if colour else f"{phase:<6}"
    reason = f"  ({data['reason']})" if data.get("reason") else ""
    return f"{event['time']}  {stream:<20} {told}  {what}{reason}"


def show_as(*, json_lines: bool) -> Callable[[dict[str, Any]], None]:
    """What prints an event on stdout: as a JSON line, or for people, in colour on a terminal."""
    colour = sys.stdout.isatty()

    def show(event: dict[str, Any]) -> None:
        # In one write, so that a kill leaves no half a line.
        click.echo(json.dumps(event) if json_lines else event_line(event, colour=colour))

    return show


def default_client_id() -> str:
    """One session for each machine and user, kept by the broker from run to run."""
    return f"vedette-listen-{socket.gethostname()}-{os.getuid()}"
