"""The stream table: for each ``[[stream]]`` of the configuration its bundle, and one stream per device."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict
from time import monotonic
from typing import Any
from urllib.parse import quote

from vedette.errors import DataError
from vedette.runtime.alerting.alerts import Alert, AlertPolicy
from vedette.runtime.alerting.relayed import DEVICE_RESTARTED, RelayedTracker
from vedette.runtime.alerting.watch import EntryWatch
from vedette.runtime.bundles.bundle import Bundle
from vedette.runtime.delivery.cloudevents import model_record
from vedette.runtime.detection.detector import SampleRejectedError
from vedette.runtime.events import Event, about
from vedette.runtime.ingest.layout import Layout, of_the_same_device_after, sample_reader
from vedette.runtime.ingest.relayed import Relayed, RelayedScore, RelayedStart, RelayedStep
from vedette.runtime.ingest.samples import Sample, Values
from vedette.runtime.ingest.sources.base import Arrival, Notice
from vedette.runtime.ingest.stream_checks import MAX_NOTICES, RateCheck
from vedette.runtime.ingest.timeline import Outcome, TimeCounts, Timeline, TimePolicy
from vedette.runtime.streams.stream import Stream, StreamGroup

log = logging.getLogger(__name__)

# Samples as they come, of whatever times.
DEFAULT_TIMES = TimePolicy()


class Device:
    """One stream of an entry: ``name`` is the entry's, or ``name/device``, safe in topics.

    ``time`` is its last sample's, ``arrived`` when its last payload was taken, on the monotonic clock; None before it.
    ``model`` says what scores it, where that is not the bundle here.
    """

    __slots__ = ("arrived", "entry", "model", "name", "rate", "stream", "time", "timeline", "watch")

    def __init__(self, entry: StreamEntry, name: str, timeline: Timeline) -> None:
        self.entry, self.name, self.timeline = entry, name, timeline
        self.watch = entry.watch.device(name)
        self.stream = entry.new_stream(self)
        self.rate = RateCheck.of(entry.bundle.manifest.signal)
        self.time = -math.inf
        self.arrived: float | None = None
        self.model: dict[str, Any] | None = None


# Called with the device, the time of the window's last row, and the step of the alert.
OnAlert = Callable[[Device, float, Alert], None]
OnRejection = Callable[[str, DataError], None]


class StreamEntry:
    """One ``[[stream]]``. Its streams are in the bundle's group, which scores them."""

    def __init__(
        self,
        name: str,
        bundle: Bundle,
        group: StreamGroup,
        *,
        policy: AlertPolicy,
        max_devices: int,
        max_payload_bytes: int,
        on_alert: OnAlert,
        on_rejection: OnRejection,
        watch: EntryWatch | None = None,
        layout: Layout | None = None,
        times: TimePolicy = DEFAULT_TIMES,
        relay: bool = False,
        when_stored: Callable[[Callable[[], None]], None] = lambda tell: tell(),
    ) -> None:
        """``relay`` says that the device scores by itself; ``when_stored`` calls back once its alerts are stored."""
        signal = bundle.manifest.signal
        self.name = name
        self.bundle = bundle
        self.group = group
        self.watch = watch or EntryWatch(name, signal)
        self.samples = 0
        self.rejected = 0
        self._policy, self._max_devices = policy, max_devices
        self._relay, self._when_stored = relay, when_stored
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
        """Offer what arrived to its streams; whatever is wrong with it is counted and told, and never raised.

        It is scored with the group's next round, see :func:`score`.
        """
        content = arrival.content
        try:
            if isinstance(content, DataError):
                raise content
            if isinstance(content, Notice):
                self.notice(content.text)
                return
            if isinstance(content, (RelayedStart, RelayedScore, RelayedStep)):
                self._take_relayed(self._device(arrival.device), content)
                return
            samples = [content] if isinstance(content, Sample) else self._reader.read(content)
        except DataError as error:
            self._reject(error, self._devices.get(arrival.device))
            return
        now = monotonic()
        if len(samples) == 1:
            self._take_sample(samples[0], arrival, now, later=0)
            return
        for sample, later in zip(samples, of_the_same_device_after(samples), strict=True):
            self._take_sample(sample, arrival, now, later=later)

    def due(self, now: float) -> None:
        """Offer the samples that have waited long enough for earlier ones at ``now`` (monotonic)."""
        if self._times.max_delay_s:
            for device in self._devices.values():
                self._pass_on(device, device.timeline.due(now))

    def notice(self, text: str) -> None:
        """Tell something about this entry, in the log and in the status, that is no reason to reject samples."""
        if len(self._notices) < MAX_NOTICES:
            self._notices.append(text)
            log.warning("%s: %s", self.name, text, extra=about(Event.STREAM_NOTICE, stream=self.name))

    def close_alerts(self, reason: str) -> None:
        """Score what still waits, and end all open incidents and faults, with that reason."""
        self.due(math.inf)
        score(self.group)
        for device in self._devices.values():
            device.watch.close(reason)
            self._close_alert(device, reason)

    def leave(self) -> None:
        """Take the entry's streams out of the group; :meth:`close_alerts` comes first."""
        for device in self._devices.values():
            self.group.leave(device.stream)
        self._devices.clear()

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

    def new_stream(self, owner: Device) -> Stream:
        """A stream of the group."""
        stream = Stream(
            self.bundle.manifest, self.group.detector.model, policy=self._policy, group=self.group, owner=owner
        )
        if self._relay:
            stream.alerts = RelayedTracker(self.bundle.manifest.signal, self.bundle.manifest.threshold, self._policy)
        stream.alerts.restraint = owner.watch.alerts
        return stream

    def tell(self, device: Device, time: float, alert: Alert) -> None:
        """Pass on what an alert of the device has to tell."""
        self._on_alert(device, time, alert)

    def reject(self, error: DataError, *, whole: bool) -> None:
        """Count a row that could not be scored; ``whole`` where it is the first of its sample, which is not usable.

        That is for missing values, which are a fault of their own.
        """
        self.samples -= whole
        self._reject(error, None)

    def _take_sample(
        self, sample: Sample | SampleRejectedError, arrival: Arrival, now: float, *, later: int
    ) -> None:  # fmt: skip
        """Take one sample of a payload in which ``later`` further ones of its device come after it."""
        try:
            if isinstance(sample, DataError):
                raise sample
            device = self._device(arrival.device if sample.device is None else sample.device)
        except DataError as error:
            self._reject(error, self._devices.get(arrival.device))
            return
        if device.arrived != now:  # the first of its device
            device.arrived = now
            device.watch.heard(later + 1)
        if sample.time is None:
            # Of a batch without times the last sample is of now.
            back_s = later * self._period_s
            outcomes = device.timeline.push_untimed(sample.values, wall=arrival.time, back_s=back_s, now=now)
        else:
            outcomes = device.timeline.push(sample.time, sample.values, wall=arrival.time, now=now)
        self._pass_on(device, outcomes)

    def _take_relayed(self, device: Device, said: Relayed) -> None:
        """Take what a device has found by itself."""
        device.arrived = monotonic()
        device.watch.heard(1)
        if isinstance(said, RelayedStart):
            self._greet(device, said)
            return
        device.time = said.time
        if isinstance(said, RelayedScore):
            device.stream.score = said.score
            return
        tracker = device.stream.alerts
        assert isinstance(tracker, RelayedTracker)
        for alert in tracker.relay(said):
            self._on_alert(device, said.time, alert)
        self._when_stored(said.stored)

    def _greet(self, device: Device, start: RelayedStart) -> None:
        if start.anew:
            self._close_alert(device, DEVICE_RESTARTED)
        record = model_record(self.bundle)
        device.model = record | {"name": start.model, "version": start.version, "sequence": start.sequence}
        if device.model != record:
            device.model["sha256"] = None
            of_here = f"{record['name']} {record['version']} (sequence {record['sequence']})"
            found = f"{start.model} {start.version} (sequence {start.sequence})"
            self.notice(f"{device.name}: the firmware scores with {found}, but the bundle here is {of_here}")

    def _pass_on(self, device: Device, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            if isinstance(outcome, tuple):
                self._offer(device, *outcome)
            elif isinstance(outcome, DataError):
                self._reject(outcome, device)
            else:
                self._restart(device, outcome.reason)

    def _offer(self, device: Device, time: float, values: Values) -> None:
        device.time = time
        if device.rate is not None and device.rate.push(time):
            found, device.rate = device.rate.notice(), None
            if found is not None:
                self.notice(f"{device.name}: {found}")
        self.samples += 1
        device.stream.offer(time, values)
        device.watch.sample(time, values)

    def _restart(self, device: Device, reason: str) -> None:
        """End what is open and forget the stream: the times to come have nothing to do with those before."""
        extra = about(Event.STREAM_RESTARTED, stream=device.name, reason=reason)
        log.warning("%s: %s; the stream starts anew", device.name, reason, extra=extra)
        score(self.group)  # of the time before
        self._close_alert(device, reason)
        device.watch.restart(reason)
        device.stream.restart()
        device.time = -math.inf

    def _close_alert(self, device: Device, reason: str) -> None:
        ended = device.stream.alerts.close(device.time, reason=reason)
        if ended is not None:
            self._on_alert(device, device.time, ended)

    def _device(self, device: str | None) -> Device:
        found = self._devices.get(device)
        if found is None:
            if len(self._devices) >= self._max_devices:
                raise SampleRejectedError(f"{device!r} is left out: max_devices = {self._max_devices} is reached")
            # Any text may stand in a topic level but a few characters; percent-encoding keeps devices apart.
            name = self.name if device is None else f"{self.name}/{quote(device, safe='')}"
            found = self._devices[device] = Device(self, name, Timeline(self._times, self._time_counts))
        return found

    def _reject(self, error: DataError, device: Device | None) -> None:
        """Count what could not be used, of ``device`` where that is known and it speaks against its data."""
        self.rejected += 1
        if device is not None:
            device.watch.reject(error)
        self._on_rejection(self.name, error)


def score(group: StreamGroup) -> None:
    """Score what waits in a group, and pass on to the entries what there is to tell, each stream's in order."""
    if not group.samples:
        return
    found = group.score()
    unusable = -1
    for rejection in found.rejections:
        device: Device = rejection.stream.owner
        device.entry.reject(rejection.error, whole=rejection.sample != unusable)
        unusable = rejection.sample
    for step in found.alerts:
        device = step.stream.owner
        device.entry.tell(device, step.time, step.alert)
