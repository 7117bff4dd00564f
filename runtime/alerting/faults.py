"""Faults of the data itself: no data is not normal.

A fault is told like an incident, ``new -> update* -> end``, but says that the stream cannot be judged, not that the
machine is odd. There is at most one open of each kind for each stream; it is updated when further channels join.

========  ==============================================================================================
silence   no sample for ``silent_after_s``
rejected  10 samples or payloads in a row that could not be used: unreadable, wrong shape, times that stand still
missing   a channel without a value beyond what the bundle's missing policy bridges, at least 5 samples
range     5 samples in a row outside the range that a channel can have
flat      a channel with one and the same reading for much longer than normal data ever shows
========  ==============================================================================================
"""

from __future__ import annotations

import uuid
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from vedette.runtime.alerting.restraint import Restraint
from vedette.runtime.detection.signal import MAX_READING, Channel, SignalSpec
from vedette.runtime.ingest.samples import Values

FaultKind = Literal["silence", "rejected", "missing", "range", "flat"]
FAULT_KINDS: tuple[FaultKind, ...] = get_args(FaultKind)
Phase = Literal["new", "update", "end"]

# A stream is silent after so many sample periods without one, but not within a minute; where the data has no time base,
# after an hour.
SILENT_PERIODS, SILENT_LEAST_S, SILENT_NO_TIME_BASE_S = 10.0, 60.0, 3600.0
# A message with many samples lets a stream be quiet for so many times what it covered.
SILENT_BATCHES = 3.0
# Bad and good samples in a row that begin and end a fault; unusable ones.
BAD_RUN, GOOD_RUN, REJECTED_RUN = 5, 10, 10
# A channel can have readings outside what normal data had, by so many times its extent: those are what the detector is
# for. Beyond, no machine is odd, but a sensor broken.
RANGE_MARGIN = 3.0
# A reading is stuck when it stays for so many times the longest of normal data, and at least for so many samples.
FLAT_FACTOR, FLAT_LEAST = 5.0, 32
# Samples are judged in blocks: of about so many seconds, samples and cells at most. One at a time would cost as much
# as scoring does.
BLOCK_S, BLOCK_SAMPLES, BLOCK_CELLS = 10.0, 32, 4096
MAX_DETAIL = 200

Rows = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
_NOTHING: Rows = np.empty(0)


@dataclass(frozen=True)
class FaultPolicy:
    """What the configuration says about the faults of a stream; None leaves the default.

    ``silent_after_s`` is in seconds. ``flat_after_samples`` replaces what the bundle says of its channels, and
    ``ranges`` the range of those named, in their units. Kinds in ``off`` are not looked for.
    """

    silent_after_s: float | None = None
    flat_after_samples: int | None = None
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    off: frozenset[FaultKind] = frozenset()


@dataclass(frozen=True)
class Fault:
    """One step in the life of a fault. Times are seconds; ``channels`` are all that it has concerned so far."""

    fault_id: str
    kind: FaultKind
    phase: Phase
    seq: int
    start: float
    end: float | None
    channels: tuple[str, ...]
    detail: str
    reason: str | None = None


# A fault and the sample time at which it is told.
FaultStep = tuple[float, Fault]


class FaultRules:
    """When samples of a signal are faulty; shared by all streams of a ``[[stream]]`` entry."""

    def __init__(self, signal: SignalSpec, policy: FaultPolicy) -> None:
        self.signal = signal
        self.kinds = frozenset(FAULT_KINDS) - policy.off
        self.silent_after_s = policy.silent_after_s or _silent_after_s(signal)
        bounds = [_range(channel, policy) for channel in signal.channels]
        self.low, self.high = (np.array(side) for side in zip(*bounds, strict=True))
        self.missing_run = max(BAD_RUN, signal.max_hold + 1 if signal.missing == "hold" else 0)
        self.flat_after = np.array([_flat_after(channel, policy) for channel in signal.channels])
        self.judges_flat = "flat" in self.kinds and bool(np.isfinite(self.flat_after).any())
        in_time = BLOCK_S / signal.sample_period_s if signal.sample_period_s else BLOCK_SAMPLES
        fitting = BLOCK_CELLS // len(signal.channels)
        self.block = int(max(1, min(in_time, fitting, BLOCK_SAMPLES, self.flat_after.min())))


class FaultMonitor:
    """Follows the faults of one stream."""

    def __init__(
        self,
        rules: FaultRules,
        *,
        restraint: Restraint | None = None,
        new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        self._rules, self.restraint = rules, restraint or Restraint()
        width = len(rules.signal.channels)
        self._lives = {kind: _Life(kind, self.restraint, new_id) for kind in FAULT_KINDS if kind in rules.kinds}
        # What waits to be judged: rows one behind the other, because that is added to most cheaply; the block while it
        # is judged.
        self._block, self._waiting, self._waiting_times = rules.block, array("d"), array("d")
        self._rows = self._times = _NOTHING
        self._missing, self._range, self._flat = (_Channels(width) for _ in range(3))
        self._before = np.full(width, np.nan)
        self._rejected = self._usable = 0
        self._quiet = True

    @property
    def open(self) -> tuple[Fault, ...]:
        """The open faults as last told."""
        return tuple(life.told for life in self._lives.values() if life.told is not None)

    def push(self, time: float, values: Values) -> Sequence[FaultStep]:
        """Take a sample of ``time`` (seconds) that came in order: one value per channel, NaN where missing."""
        steps: Sequence[FaultStep] = ()
        if self._rejected:
            steps = self._usable_again(time)
        if type(values) is array:
            self._waiting.extend(values)
        else:
            self._waiting.frombytes(np.asarray(values, np.float64).tobytes())
        self._waiting_times.append(time)
        if len(self._waiting_times) == self._block:
            steps = (*steps, *self._judge())
        return steps

    def reject(self, time: float, why: str) -> Sequence[FaultStep]:
        """Take note of a sample, or a whole payload, that could not be used; ``time`` is the stream's."""
        self._rejected += 1
        self._usable = 0
        if self._rejected < REJECTED_RUN:
            return ()
        detail = f"{self._rejected} samples in a row could not be used; the last: {why}"
        return self._tell("rejected", time, bad=True, start=time, detail=detail)

    def listen(self, time: float, silent_s: float, *, after_s: float) -> Sequence[FaultStep]:
        """Judge how long the stream has been silent; ``time`` is now, in the stream's own time."""
        detail = f"no sample for {silent_s:.0f} s"
        if self._rules.signal.sample_period_s:
            detail += f"; one every {self._rules.signal.period_s:g} s is expected"
        return self._tell("silence", time, bad=silent_s >= after_s, start=time - silent_s, detail=detail)

    def close(self, time: float, *, reason: str) -> list[FaultStep]:
        """End all open faults, with that reason."""
        ended = (life.close(time, reason) for life in self._lives.values())
        return [(time, fault) for fault in ended if fault is not None]

    def _usable_again(self, time: float) -> Sequence[FaultStep]:
        life = self._lives.get("rejected")
        self._usable += 1
        if life is not None and life.open and self._usable < GOOD_RUN:
            return ()
        self._rejected = 0
        return self._tell("rejected", time, bad=False)

    def _judge(self) -> list[FaultStep]:
        """Judge the block that is full; the block before it ended with the row ``_before``."""
        rules = self._rules
        self._rows = rows = np.array(self._waiting).reshape(-1, len(rules.low))
        self._times = np.array(self._waiting_times)
        del self._waiting[:], self._waiting_times[:]
        steps: list[FaultStep] = []
        inside = (rows >= rules.low) & (rows <= rules.high)
        if not (self._quiet and inside.all()):
            steps += self._judge_values(inside)
        if rules.judges_flat:
            same = np.empty(rows.shape, bool)
            np.equal(rows[0], self._before, out=same[0])
            np.equal(rows[1:], rows[:-1], out=same[1:])
            if same.any() or self._flat.bad.any():
                steps += self._judge_flat(same)
            else:
                self._flat.run.fill(0)
            self._before = rows[-1].copy()
        self._rows = self._times = _NOTHING
        return steps

    def _judge_values(self, inside: Mask) -> list[FaultStep]:
        rules, rows, times = self._rules, self._rows, self._times
        time = float(times[-1])
        missing = ~(np.abs(rows) <= MAX_READING)
        beyond = ~inside & ~missing
        self._missing.update(missing, times, begin=rules.missing_run, end=GOOD_RUN)
        self._range.update(beyond, times, begin=BAD_RUN, end=GOOD_RUN)
        self._quiet = self._missing.quiet and self._range.quiet
        steps = list(self._tell_channels("missing", time, self._missing, self._missing_detail))
        steps += self._tell_channels("range", time, self._range, lambda i: self._range_detail(i, beyond))
        return steps

    def _judge_flat(self, same: Mask) -> Sequence[FaultStep]:
        signal, flat, after = self._rules.signal, self._flat, self._rules.flat_after
        flat.count(same, self._times)
        if signal.resampled:  # samples come at any pace; the grid, in which the limit counts, has one every period
            begins = (flat.run >= BAD_RUN) & (self._times[-1] - flat.since >= after * signal.period_s)
        else:
            begins = flat.run + 1 >= after
        flat.good = np.where(begins, 0, flat.good + len(same))
        flat.bad = (flat.bad | begins) & ~(flat.good > after)
        return self._tell_channels("flat", float(self._times[-1]), flat, self._flat_detail)

    def _tell_channels(
        self, kind: FaultKind, time: float, state: _Channels, detail: Callable[[int], str]
    ) -> Sequence[FaultStep]:
        found = np.flatnonzero(state.bad)
        if not len(found):
            return self._tell(kind, time, bad=False)
        names = self._rules.signal.names
        first = int(found[np.argmax(state.run[found])])
        start = float(state.since[found].min())
        channels = tuple(names[i] for i in found)
        return self._tell(kind, time, bad=True, start=start, channels=channels, detail=detail(first))

    def _tell(
        self,
        kind: FaultKind,
        time: float,
        *,
        bad: bool,
        start: float = 0.0,
        channels: tuple[str, ...] = (),
        detail: str = "",
    ) -> Sequence[FaultStep]:
        life = self._lives.get(kind)
        if life is None or not (bad or life.open):
            return ()
        fault = life.judge(time, bad, start, channels, detail[:MAX_DETAIL])
        return () if fault is None else ((time, fault),)

    def _missing_detail(self, channel: int) -> str:
        signal = self._rules.signal
        return f"{signal.names[channel]}: no value in {int(self._missing.run[channel])} samples in a row"

    def _range_detail(self, channel: int, beyond: Mask) -> str:
        rules = self._rules
        rows = np.flatnonzero(beyond[:, channel])
        value = f"{self._rows[rows[-1], channel]:.6g}" if len(rows) else "outside until just now"
        low, high = rules.low[channel], rules.high[channel]
        return f"{rules.signal.names[channel]}: {value}; it can be {low:.6g} to {high:.6g}"

    def _flat_detail(self, channel: int) -> str:
        rules = self._rules
        after = f"{rules.flat_after[channel] * rules.signal.period_s:g} s" if rules.signal.resampled else (
            f"{rules.flat_after[channel]:g} samples"
        )  # fmt: skip
        run = int(self._flat.run[channel]) + 1
        value = f"{self._rows[-1, channel]:.6g}"
        return f"{rules.signal.names[channel]}: {value} for {run} samples; stuck after {after}"


class _Channels:
    """For each channel: bad samples in a row up to now and since when, good ones, and whether it is in a fault."""

    def __init__(self, width: int) -> None:
        self.run, self.good = np.zeros(width, np.int64), np.zeros(width, np.int64)
        self.since, self.bad = np.zeros(width), np.zeros(width, bool)

    @property
    def quiet(self) -> bool:
        """Whether nothing is bad, or was just now."""
        return not (self.bad.any() or self.run.any())

    def update(self, mask: Mask, times: Rows, *, begin: int, end: int) -> None:
        """Take a block ``(samples, channels)``, true where bad.

        ``begin`` bad ones in a row begin a fault, ``end`` good ones end it.
        """
        self.count(mask, times)
        good = np.argmax(mask[::-1], axis=0)
        self.good = np.where(mask.any(axis=0), good, self.good + len(mask))
        self.bad = (self.bad | (self.run >= begin)) & ~(self.good >= end)

    def count(self, mask: Mask, times: Rows) -> None:
        """Count on the bad samples in a row up to the end of a block."""
        whole = mask.all(axis=0)
        tail = np.where(whole, len(mask), np.argmax(~mask[::-1], axis=0))
        goes_on = whole & (self.run > 0)
        first = times[np.minimum(len(mask) - tail, len(mask) - 1)]
        self.since = np.where(goes_on | (tail == 0), self.since, first)
        self.run = np.where(whole, self.run + len(mask), tail)


class _Life:
    """The life of one kind of fault, as far as it is told."""

    def __init__(self, kind: FaultKind, restraint: Restraint, new_id: Callable[[], str]) -> None:
        self._kind, self._restraint, self._new_id = kind, restraint, new_id
        self._fault: Fault | None = None
        self.told: Fault | None = None
        self._counted_muted = False

    @property
    def open(self) -> bool:
        """Whether there is such a fault, told or not."""
        return self._fault is not None or self._counted_muted

    def judge(self, time: float, bad: bool, start: float, channels: tuple[str, ...], detail: str) -> Fault | None:
        """Take the state at ``time``; return what there is to tell, if anything."""
        if not bad:
            self._counted_muted = False
            return self.close(time, None)
        if self._restraint.muted(time):
            if not self._counted_muted:
                self._counted_muted = True
                self._restraint.muted_incidents += 1
            return self.close(time, "maintenance")
        self._counted_muted = False
        again = self._fault is not None
        if self._fault is None:
            self._fault = Fault(self._new_id(), self._kind, "new", 1, start, None, channels, detail)
        known = self._fault.channels
        joined = (*known, *(name for name in channels if name not in known))
        if self.told is None:
            self._fault = replace(self._fault, channels=joined, detail=detail)
            self.told = self._fault if self._restraint.admit(time, 1.0, again=again) else None
            return self.told
        if joined == known:
            return None
        step = replace(self.told, phase="update", seq=self.told.seq + 1, channels=joined, detail=detail)
        self._fault = self.told = step
        return step

    def close(self, time: float, reason: str | None) -> Fault | None:
        """End the fault, if there is one."""
        told, self.told, self._fault = self.told, None, None
        return None if told is None else replace(told, phase="end", seq=told.seq + 1, end=time, reason=reason)


def _silent_after_s(signal: SignalSpec) -> float:
    if not signal.sample_period_s:
        return SILENT_NO_TIME_BASE_S
    return max(SILENT_LEAST_S, SILENT_PERIODS * signal.sample_period_s)


def _range(channel: Channel, policy: FaultPolicy) -> tuple[float, float]:
    """The readings that a channel can have. Of one that was constant nobody knows."""
    given = policy.ranges.get(channel.name)
    if "range" in policy.off:
        given = (-MAX_READING, MAX_READING)
    elif given is None:
        margin = RANGE_MARGIN * (channel.high - channel.low) or MAX_READING
        given = (channel.low - margin, channel.high + margin)
    return max(given[0], -MAX_READING), min(given[1], MAX_READING)


def _flat_after(channel: Channel, policy: FaultPolicy) -> float:
    """Samples with one and the same reading after which the channel is stuck; infinite where that is never."""
    if channel.high <= channel.low or "flat" in policy.off:
        return np.inf
    if policy.flat_after_samples is not None:
        return float(policy.flat_after_samples)
    return np.inf if channel.longest_flat is None else max(FLAT_FACTOR * channel.longest_flat, float(FLAT_LEAST))
