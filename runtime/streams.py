"""The stream table: for each ``[[stream]]`` of the configuration its bundle, and one stream per device."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from time import monotonic
from typing import Any
from urllib.parse import quote

from vedette.errors import DataError
from vedette.runtime.alerts import Alert, AlertPolicy
from vedette.runtime.bundle import Bundle
from vedette.runtime.cloudevents import model_record
from vedette.runtime.detector import SampleRejectedError
from vedette.runtime.interpreter import Model
from vedette.runtime.samples import Sample, SampleReader
from vedette.runtime.sources.base import Arrival
from vedette.runtime.stream import Stream
from vedette.runtime.watch import DeviceWatch, EntryWatch


@dataclass
class Device:
    """One stream: ``name`` is the entry's, or ``name/device``, safe in topics; ``time`` its last sample's.

    ``arrived`` is when its last payload was taken, on the monotonic clock.
    """

    name: str
    stream: Stream
    watch: DeviceWatch
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
    ) -> None:
        self.name = name
        self.bundle = bundle
        self.watch = watch or EntryWatch(name, bundle.manifest.signal)
        self.samples = 0
        self.rejected = 0
        self._model, self._policy, self._max_devices = model, policy, max_devices
        self._reader = SampleReader(bundle.manifest.signal, max_bytes=max_payload_bytes)
        self._period_s = bundle.manifest.signal.period_s
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
            device = self._device(arrival.device)
            device.arrived = monotonic()
        except DataError as error:
            self._reject(error, self._devices.get(arrival.device))
            return
        device.watch.heard(len(samples))
        untimed = len(samples)
        for sample in samples:
            untimed -= 1
            if isinstance(sample, DataError):
                self._reject(sample, device)
                continue
            time = sample.time
            if time is None:
                # Of a batch without times the last sample is of now. A clock set back must not stop the stream.
                time = max(arrival.time - untimed * self._period_s, math.nextafter(device.time, math.inf))
            self._push(device, time, sample)

    def close_alerts(self, reason: str) -> None:
        """End all open incidents and faults, with that reason."""
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
            "open_alerts": sum(device.stream.alerts.active is not None for device in self._devices.values()),
            **self.watch.describe(),
        }

    def _push(self, device: Device, time: float, sample: Sample) -> None:
        in_order = time > device.time
        device.time = max(device.time, time)
        usable = True
        for step in device.stream.push(time, sample.values):
            if isinstance(step, DataError):
                usable = False
                self._reject(step, None if in_order else device)
                continue
            row_time, _, alert = step
            if alert is not None:
                self._on_alert(device, row_time, alert)
        self.samples += usable
        if in_order:  # also where values are missing: that is a fault of its own
            device.watch.sample(time, sample.values)

    def _device(self, device: str | None) -> Device:
        found = self._devices.get(device)
        if found is None:
            if len(self._devices) >= self._max_devices:
                raise SampleRejectedError(f"{device!r} is left out: max_devices = {self._max_devices} is reached")
            # Any text may stand in a topic level but a few characters; percent-encoding keeps devices apart.
            name = self.name if device is None else f"{self.name}/{quote(device, safe='')}"
            stream = Stream(self.bundle.manifest, self._model, policy=self._policy)
            found = self._devices[device] = Device(name, stream, self.watch.device(name))
            stream.alerts.gate = found.watch.alerts
        return found

    def _reject(self, error: DataError, device: Device | None) -> None:
        self.rejected += 1
        if device is not None:
            device.watch.reject(error)
        self._on_rejection(self.name, error)
