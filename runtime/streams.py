"""The stream table: for each ``[[stream]]`` of the configuration its bundle, and one stream per device."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from time import monotonic
from typing import Any
from urllib.parse import quote

import numpy as np
import numpy.typing as npt

from vedette.errors import DataError
from vedette.runtime.alerts import Alert, AlertPolicy
from vedette.runtime.bundle import Bundle
from vedette.runtime.cloudevents import model_record
from vedette.runtime.detector import SampleRejectedError
from vedette.runtime.events import Event, about
from vedette.runtime.interpreter import Model
from vedette.runtime.layout import Layout, of_the_same_device_after, sample_reader
from vedette.runtime.samples import Sample
from vedette.runtime.sources.base import Arrival
from vedette.runtime.stream import Stream
from vedette.runtime.stream_checks import MAX_NOTICES, RateCheck
from vedette.runtime.timeline import Outcome, TimeCounts, Timeline, TimePolicy
from vedette.runtime.watch import DeviceWatch, EntryWatch

log = logging.getLogger(__name__)

# Samples as they come, of whatever times.
DEFAULT_TIMES = TimePolicy()


@dataclass
class Device:
    """One stream: ``name`` is the entry's, or ``name/device``, safe in topics; ``time`` its last sample's.

    ``arrived`` is when its last payload was taken, on the monotonic clock.
    """

    name: str
    stream: Stream
    watch: DeviceWatch
    timeline: Timeline
    rate: RateCheck | None = None
    time: float = -math.inf
    arrived: float = 0.0


# Called with the device, the time of the window's last row, and the step of the alert.
OnAlert = Callable[[Device, float, Alert], None]
OnRejection = Callable[[str, DataError], None]


class StreamEntry:
    """One ``[[stream]]``. Its streams share the bundle's model."""

    def __init__(
        self,
        name: str,
        bundle: Bundle,
        model: Model,
        *,
        policy: AlertPolicy,
        max_devices: int,
        max_payload_bytes: int,
        on_alert: OnAlert,
        on_rejection: OnRejection,
        watch: EntryWatch | None = None,
        layout: Layout | None = None,
        times: TimePolicy = DEFAULT_TIMES,
    ) -> None:
        self.name = name
        self.bundle = bundle
        self.watch = watch or EntryWatch(name, bundle.manifest.signal)
        self.samples = 0
        self.rejected = 0
        self._model, self._policy, self._max_devices = model, policy, max_devices
        signal = bundle.manifest.signal
        self._reader = sample_reader(signal, layout, max_bytes=max_payload_bytes)
        self._reader.tell_channels(self.notice)
        self._times, self._time_counts = times, TimeCounts()
        self._notices: list[str] = []
        self._period_s = signal.period_s
        self._devices: dict[str | None, Device] = {}
        self._on_alert, self._on_rejection = on_alert, on_rejection

    def expect(self, now: float) -> None:
        """The entry is one stream that should begin at ``now``, seconds since 1970: if it never does, it is silent."""
        self._device(None).watch.expect(now)

    def take(self, arrival: Arrival) -> None:
        """Score what arrived; whatever is wrong with it is counted and told, and never raised."""
        content = arrival.content
        try:
            if isinstance(content, DataError):
                raise content
            samples = [content] if isinstance(content, Sample) else self._reader.read(content)
        except DataError as error:
            self._reject(error, self._devices.get(arrival.device))
            return
        now = monotonic()
        after = of_the_same_device_after(samples) if len(samples) > 1 else (0,)
        heard: set[str] = set()
        for sample, later in zip(samples, after, strict=True):
            try:
                if isinstance(sample, DataError):
                    raise sample
                device = self._device(arrival.device if sample.device is None else sample.device)
            except DataError as error:
                self._reject(error, self._devices.get(arrival.device))
                continue
            if device.name not in heard:
                heard.add(device.name)
                device.arrived = now
                device.watch.heard(later + 1)
            if sample.time is None:
                # Of a batch without times the last sample is of now.
                back_s = later * self._period_s
                outcomes = device.timeline.push_untimed(sample.values, wall=arrival.time, back_s=back_s, now=now)
            else:
                outcomes = device.timeline.push(sample.time, sample.values, wall=arrival.time, now=now)
            self._pass_on(device, outcomes)

    def due(self, now: float) -> None:
        """Score the samples that have waited long enough for earlier ones at ``now`` (monotonic)."""
        if self._times.max_delay_s:
            for device in self._devices.values():
                self._pass_on(device, device.timeline.due(now))

    def notice(self, text: str) -> None:
        """Tell something about this entry, in the log and in the status, that is no reason to reject samples."""
        if len(self._notices) < MAX_NOTICES:
            self._notices.append(text)
            log.warning("%s: %s", self.name, text, extra=about(Event.STREAM_NOTICE, stream=self.name))

    def close_alerts(self, reason: str) -> None:
        """Score what still waits for earlier samples, and end all open incidents and faults, with that reason."""
        self.due(math.inf)
        for device in self._devices.values():
            device.watch.close(reason)
            ended = device.stream.alerts.close(device.time, reason=reason)
            if ended is not None:
                self._on_alert(device, device.time, ended)

    @property
    def devices(self) -> Collection[Device]:
        """Its streams, one for each device that has sent something."""
        return self._devices.values()

    def describe(self) -> dict[str, Any]:
        """What the status message says about this entry."""
        return {
            "name": self.name,
            "model": {**model_record(self.bundle), "unsigned": True},
            "devices": len(self._devices),
            "samples": self.samples,
            "rejected": self.rejected,
            "times": asdict(self._time_counts),
            "notices": list(self._notices),
            "open_alerts": sum(device.stream.alerts.active is not None for device in self._devices.values()),
            **self.watch.describe(),
        }

    def _pass_on(self, device: Device, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            if isinstance(outcome, tuple):
                self._push(device, *outcome)
            elif isinstance(outcome, DataError):
                self._reject(outcome, device)
            else:
                self._restart(device, outcome.reason)

    def _restart(self, device: Device, reason: str) -> None:
        """End what is open and forget the stream: the times to come have nothing to do with those before."""
        extra = about(Event.STREAM_RESTARTED, stream=device.name, reason=reason)
        log.warning("%s: %s; the stream starts anew", device.name, reason, extra=extra)
        ended = device.stream.alerts.close(device.time, reason=reason)
        if ended is not None:
            self._on_alert(device, device.time, ended)
        device.watch.restart(reason)
        device.stream = self._new_stream(device.watch)
        device.time = -math.inf

    def _push(self, device: Device, time: float, values: npt.NDArray[np.float64]) -> None:
        device.time = time
        if device.rate is not None and device.rate.push(time):
            found, device.rate = device.rate.notice(), None
            if found is not None:
                self.notice(f"{device.name}: {found}")
        usable = True
        for step in device.stream.push(time, values):
            if isinstance(step, DataError):
                usable = False
                self._reject(step)  # missing values are a fault of their own
                continue
            row_time, _, alert = step
            if alert is not None:
                self._on_alert(device, row_time, alert)
        self.samples += usable
        device.watch.sample(time, values)

    def _device(self, device: str | None) -> Device:
        found = self._devices.get(device)
        if found is None:
            if len(self._devices) >= self._max_devices:
                raise SampleRejectedError(f"{device!r} is left out: max_devices = {self._max_devices} is reached")
            # Any text may stand in a topic level but a few characters; percent-encoding keeps devices apart.
            name = self.name if device is None else f"{self.name}/{quote(device, safe='')}"
            watch = self.watch.device(name)
            timeline, rate = Timeline(self._times, self._time_counts), RateCheck.of(self.bundle.manifest.signal)
            found = self._devices[device] = Device(name, self._new_stream(watch), watch, timeline, rate)
        return found

    def _new_stream(self, watch: DeviceWatch) -> Stream:
        stream = Stream(self.bundle.manifest, self._model, policy=self._policy)
        stream.alerts.gate = watch.alerts
        return stream

    def _reject(self, error: DataError, device: Device | None = None) -> None:
        self.rejected += 1
        if device is not None:
            device.watch.reject(error)
        self._on_rejection(self.name, error)
