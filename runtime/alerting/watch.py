"""What watches over the streams of one ``[[stream]]`` entry: maintenance, the cap on alerts, faults of the data.

Silence is measured with the seconds in which the gateway listened (:meth:`EntryWatch.tick`), never with the wall clock:
a clock that is set, a suspended machine and a broker that is away make no silent sensors.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from vedette.runtime.alerting.alert_cap import AlertCap, Kind
from vedette.runtime.alerting.faults import SILENT_BATCHES, Fault, FaultMonitor, FaultPolicy, FaultRules, FaultStep
from vedette.runtime.alerting.maintenance import Maintenance, Mute
from vedette.runtime.alerting.restraint import Restraint
from vedette.runtime.detection.signal import SignalSpec
from vedette.runtime.ingest.samples import Values

# Called with the stream's name, the sample time, and the step of the fault.
OnFault = Callable[[str, float, Fault], None]

# How often silence is judged. A longer time between two ticks is no time of listening: the process was stopped.
JUDGE_EVERY_S = LONGEST_TICK_S = 1.0


class DeviceWatch:
    """The watch over one stream. ``alerts`` is the restraint for its alert tracker."""

    def __init__(self, name: str, rules: FaultRules, restraint: Callable[[Kind], Restraint], on_fault: OnFault) -> None:
        self.alerts = restraint("alerts")
        self._faults = FaultMonitor(rules, restraint=restraint("faults"))
        self.name, self._on_fault, self._rules = name, on_fault, rules
        self._judges_silence = "silence" in rules.kinds
        self._silent_after_s, self._batch = rules.silent_after_s, 0
        self._listened = self._heard = self._sampled = 0.0
        self._time = -math.inf

    @property
    def open_faults(self) -> tuple[Fault, ...]:
        """The open faults as last told."""
        return self._faults.open

    @property
    def in_maintenance(self) -> bool:
        """Whether maintenance mutes the stream at present, in its own time."""
        return self._time > -math.inf and self.alerts.muted(self._now)

    @property
    def muted(self) -> int:
        """How many incidents maintenance has kept back."""
        return self.alerts.muted_incidents + self._faults.restraint.muted_incidents

    def mute_by(self, mute: Mute | None) -> None:
        """Let other maintenance mute the stream from now on."""
        self.alerts.mute_by(mute)
        self._faults.restraint.mute_by(mute)

    def expect(self, now: float) -> None:
        """The stream should begin at ``now``, in seconds since 1970."""
        self._time = now

    def heard(self, samples: int) -> None:
        """Something came, with so many samples, usable or not."""
        self._heard = self._listened
        if samples != self._batch:
            self._batch, signal = samples, self._rules.signal
            batch_s = SILENT_BATCHES * samples * signal.period_s if signal.sample_period_s else 0.0
            self._silent_after_s = max(self._rules.silent_after_s, batch_s)

    def sample(self, time: float, values: Values) -> None:
        """Take a sample that came in order."""
        self._time, self._sampled = time, self._listened
        steps = self._faults.push(time, values)
        if steps:
            self._tell(steps)

    def reject(self, why: object) -> None:
        """Take note of a sample or payload that could not be used for another reason than missing values."""
        self._heard = self._listened
        if self._time > -math.inf:
            self._tell(self._faults.reject(self._now, str(why)))

    def tick(self, seconds: float) -> None:
        """So many more seconds were listened; judge the silence."""
        self._listened += seconds
        if self._judges_silence and self._time > -math.inf:
            silent_s = self._listened - self._heard
            self._tell(self._faults.listen(self._now, silent_s, after_s=self._silent_after_s))

    def close(self, reason: str) -> None:
        """End all open faults, with that reason."""
        if self.open_faults:
            self._tell(self._faults.close(self._now, reason=reason))

    def restart(self, reason: str) -> None:
        """End all open faults, with that reason: the times to come have nothing to do with those before."""
        self.close(reason)
        self._faults = FaultMonitor(self._rules, restraint=self._faults.restraint)

    @property
    def _now(self) -> float:
        """The stream's own time: that of its last sample and what was listened since."""
        return self._time + self._listened - self._sampled

    def _tell(self, steps: Sequence[FaultStep]) -> None:
        for time, fault in steps:
            self._on_fault(self.name, time, fault)


class EntryWatch:
    """The watches of one entry. ``live`` sources can fall silent; the replay of a file cannot."""

    def __init__(
        self,
        entry: str,
        signal: SignalSpec,
        *,
        policy: FaultPolicy | None = None,
        maintenance: Maintenance | None = None,
        cap: AlertCap | None = None,
        on_fault: OnFault = lambda *_: None,
        live: bool = False,
    ) -> None:
        self._entry, self._live, self._cap = entry, live, cap
        self._rules = FaultRules(signal, policy or FaultPolicy())
        self._maintenance = maintenance or Maintenance()
        self._on_fault = on_fault
        self._devices: list[DeviceWatch] = []
        self._listened = 0.0

    def device(self, name: str) -> DeviceWatch:
        """The watch over a new stream with that name."""
        mute = self._maintenance.mute(self._entry, name)
        watch = DeviceWatch(
            name, self._rules, lambda kind: Restraint(name, kind, mute=mute, cap=self._cap), self._on_fault
        )  # fmt: skip
        self._devices.append(watch)
        return watch

    def maintain(self, maintenance: Maintenance) -> None:
        """Let other maintenance mute the streams from now on."""
        self._maintenance = maintenance
        for device in self._devices:
            device.mute_by(maintenance.mute(self._entry, device.name))

    def tick(self, seconds: float) -> None:
        """So many seconds have passed in which samples could come, since the last call."""
        if not self._live:
            return
        self._listened += min(seconds, LONGEST_TICK_S)
        if self._listened >= JUDGE_EVERY_S:
            for device in self._devices:
                device.tick(self._listened)
            self._listened = 0.0

    def ended(self) -> None:
        """No more samples will come, and that is no silence."""
        self._live = False

    def describe(self) -> dict[str, object]:
        """What the status says: how many faults are open of each kind, and incidents muted since the start."""
        kinds = [fault.kind for device in self._devices for fault in device.open_faults]
        return {
            "open_faults": {kind: kinds.count(kind) for kind in sorted(set(kinds))},
            "muted": sum(device.muted for device in self._devices),
        }
