"""Faults of the data: what begins one, what ends it, and what is none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny import CHANNELS, SIGNAL, tiny_bundle_bytes

from vedette.runtime.alerting.alert_cap import AlertCap
from vedette.runtime.alerting.faults import FLAT_LEAST, Fault, FaultKind, FaultMonitor, FaultPolicy, FaultRules
from vedette.runtime.alerting.maintenance import Maintenance, Mute, OnceWindow
from vedette.runtime.alerting.restraint import Restraint
from vedette.runtime.alerting.watch import EntryWatch
from vedette.runtime.bundles import bundle as bundles
from vedette.runtime.detection.signal import SignalSpec

NAN = float("nan")
MOVING = replace(SIGNAL, channels=tuple(replace(channel, longest_flat=2) for channel in SIGNAL.channels))
Told = list[tuple[float, str, FaultKind, tuple[str, ...]]]


def wave(count: int, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-2, 2, (count, len(CHANNELS)))


def run(
    rows: np.ndarray,
    *,
    signal: SignalSpec = MOVING,
    policy: FaultPolicy | None = None,
    restraint: Restraint | None = None,
) -> Told:
    monitor = FaultMonitor(FaultRules(signal, policy or FaultPolicy()), restraint=restraint)
    steps = [step for second, row in enumerate(rows) for step in monitor.push(float(second), row)]
    return [(time, fault.phase, fault.kind, fault.channels) for time, fault in steps]


def test_good_data_has_none() -> None:
    assert run(wave(2000)) == []


def test_a_channel_without_values_for_longer_than_is_held() -> None:
    rows = wave(100)
    rows[20:60, 1] = NAN
    assert run(rows) == [(29.0, "new", "missing", ("y",)), (69.0, "end", "missing", ("y",))]


def test_what_the_missing_policy_bridges_is_no_fault() -> None:
    rows = wave(100)
    rows[::5] = NAN
    rows[1::5, 0] = NAN
    assert run(rows) == []


@pytest.mark.parametrize("value", [float("inf"), -1e37, NAN])
def test_what_is_no_measurement_is_missing(value: float) -> None:
    rows = wave(40)
    rows[20:, 0] = value
    assert run(rows) == [(29.0, "new", "missing", ("x",))]


def test_readings_that_no_machine_gives() -> None:
    rows = wave(100)
    rows[20:40, 0] = -500.0
    rows[30:40, 2] = 400.0
    assert run(rows) == [
        (29.0, "new", "range", ("x",)),
        (39.0, "update", "range", ("x", "z")),
        (49.0, "end", "range", ("x", "z")),
    ]


def test_odd_readings_within_the_margin_are_the_detectors_business() -> None:
    rows = wave(100)
    rows[20:40, 0] = 20.9  # normal is -3 to 3, so up to 21
    rows[60:64, 1] = 1e6  # a spike is no broken sensor
    assert run(rows) == []


def test_a_range_that_is_given_is_exact() -> None:
    rows = wave(40)
    rows[20:, 0] = 2.6
    rows[:, 0] += np.linspace(0, 0.01, 40)
    policy = FaultPolicy(ranges={"x": (-2.5, 2.5)})
    assert run(rows, policy=policy) == [(29.0, "new", "range", ("x",))]


def test_a_stuck_channel_is_flat_until_it_has_moved_for_as_long() -> None:
    rows = wave(300)
    rows[50:150, 2] = 1.5
    told = run(rows)
    assert [step[1:] for step in told] == [("new", "flat", ("z",)), ("end", "flat", ("z",))]
    assert 50 + FLAT_LEAST - 1 <= told[0][0] < 50 + FLAT_LEAST + 10
    assert 150 + FLAT_LEAST <= told[1][0] < 150 + FLAT_LEAST + 20


def test_a_stuck_channel_whose_last_digit_moves_now_and_then_is_one_fault() -> None:
    rows = wave(1000)
    rows[50:, 2] = 1.5 + (np.arange(950) // 45) * 0.001
    assert [step[1:] for step in run(rows)] == [("new", "flat", ("z",))]


@pytest.mark.parametrize(
    "changes",
    [{"low": 1.5, "high": 1.5}, {"longest_flat": None}, {"longest_flat": 1000}],
    ids=["constant in normal data", "a bundle that does not say", "flat for long in normal data"],
)
def test_a_channel_that_may_stand_still_is_not_stuck(changes: dict[str, float]) -> None:
    signal = replace(MOVING, channels=(*MOVING.channels[:2], replace(MOVING.channels[2], **changes)))
    rows = wave(500)
    rows[:, 2] = 1.5
    assert run(rows, signal=signal) == []
    assert run(rows, signal=signal, policy=FaultPolicy(flat_after_samples=50)) != [] or changes.get("low") == 1.5


def test_where_samples_come_at_any_time_a_flat_line_is_measured_in_seconds() -> None:
    signal = replace(MOVING, resampled=True)
    monitor = FaultMonitor(FaultRules(signal, FaultPolicy()))
    times = np.cumsum(np.full(100, 3.0))
    rows = wave(100)
    rows[40:, 0] = 0.5
    steps = [step for time, row in zip(times, rows, strict=True) for step in monitor.push(time, row)]
    assert [(fault.kind, fault.channels) for _, fault in steps] == [("flat", ("x",))]
    assert steps[0][0] - times[40] < 32 + 3 * 10


def test_kinds_that_are_off_are_not_looked_for() -> None:
    rows = wave(300)
    rows[50:100, 0], rows[50:100, 1], rows[50:150, 2] = NAN, 1e6, 1.5
    assert {step[2] for step in run(rows)} == {"missing", "range", "flat"}
    assert run(rows, policy=FaultPolicy(off=frozenset(("missing", "range", "flat")))) == []


def test_ten_unusable_in_a_row_are_a_fault_that_good_ones_end() -> None:
    monitor = FaultMonitor(FaultRules(SIGNAL, FaultPolicy()))
    steps = [step for _ in range(30) for step in monitor.reject(7.0, "not JSON")]
    assert [(time, fault.phase, fault.kind) for time, fault in steps] == [(7.0, "new", "rejected")]
    assert "the last: not JSON" in steps[0][1].detail
    ends = [step for second, row in enumerate(wave(20)) for step in monitor.push(10.0 + second, row)]
    assert [(time, fault.phase, fault.seq) for time, fault in ends] == [(19.0, "end", 2)]


def test_now_and_then_an_unusable_one_is_none() -> None:
    monitor = FaultMonitor(FaultRules(SIGNAL, FaultPolicy()))
    for second, row in enumerate(wave(200)):
        assert list(monitor.reject(float(second), "late")) + list(monitor.push(float(second), row)) == []


class Watched:
    """A live entry with one device, and what it told."""

    def __init__(self, *, live: bool = True, signal: SignalSpec = SIGNAL, **options: object) -> None:
        self.told: list[tuple[float, str, FaultKind]] = []
        self.faults: list[Fault] = []
        self.entry = EntryWatch("s", signal, on_fault=self._take, live=live, **options)  # type: ignore[arg-type]
        self.device = self.entry.device("s")

    def _take(self, _: str, time: float, fault: Fault) -> None:
        self.told.append((time, fault.phase, fault.kind))
        self.faults.append(fault)

    def hear(self, time: float, samples: int = 1) -> None:
        self.device.heard(samples)
        for number in range(samples):
            self.device.sample(time + number, wave(1, seed=int(time) + number)[0])

    def wait(self, seconds: float, *, step: float = 0.2) -> None:
        for _ in range(round(seconds / step)):
            self.entry.tick(step)


def test_a_stream_that_stops_is_silent_and_ends_that_when_it_goes_on() -> None:
    watched = Watched()
    watched.hear(1000.0)
    watched.wait(59)
    assert watched.told == []
    watched.wait(120)
    watched.hear(1200.0)
    watched.wait(2)
    assert [(phase, kind) for _, phase, kind in watched.told] == [("new", "silence"), ("end", "silence")]
    assert watched.told[0][0] == pytest.approx(1060.0, abs=2)
    assert watched.faults[0].start == pytest.approx(1000.0, abs=2)
    assert watched.told[1][0] == pytest.approx(1200.0, abs=2)


def test_a_stream_that_never_began_is_silent_where_it_was_expected() -> None:
    watched = Watched()
    watched.wait(200)
    assert watched.told == []
    watched.device.expect(5000.0)
    watched.wait(2)
    assert [step[1:] for step in watched.told] == [("new", "silence")]


def test_time_in_which_nobody_listened_is_no_silence() -> None:
    watched = Watched()
    watched.hear(1000.0)
    watched.entry.tick(86_400.0)  # the machine was asleep
    watched.wait(50)
    assert watched.told == []


def test_a_replay_and_an_ended_source_are_never_silent() -> None:
    for watched in (Watched(live=False), Watched()):
        watched.hear(1000.0)
        watched.entry.ended()
        watched.wait(500)
        assert watched.told == []


def test_a_stream_in_batches_may_be_quiet_between_them() -> None:
    watched = Watched()
    watched.hear(1000.0, samples=300)
    watched.wait(800)
    assert watched.told == []
    watched.wait(200)
    assert [step[1:] for step in watched.told] == [("new", "silence")]


@pytest.mark.parametrize(
    ("changes", "policy", "after_s"),
    [
        ({"sample_period_s": 0.01}, FaultPolicy(), 60.0),
        ({"sample_period_s": 600.0}, FaultPolicy(), 6000.0),
        ({"sample_period_s": None}, FaultPolicy(), 3600.0),
        ({"sample_period_s": 600.0}, FaultPolicy(silent_after_s=5.0), 5.0),
    ],
)
def test_how_long_is_silence_comes_from_the_period(
    changes: dict[str, float], policy: FaultPolicy, after_s: float
) -> None:
    assert FaultRules(replace(SIGNAL, **changes), policy).silent_after_s == after_s


def test_unreadable_is_not_silent() -> None:
    watched = Watched()
    watched.hear(1000.0)
    for _ in range(100):
        watched.device.reject("not JSON")
        watched.wait(5)
    assert [step[1:] for step in watched.told] == [("new", "rejected")]


def test_maintenance_mutes_faults_and_what_lasts_is_told_afterwards() -> None:
    maintenance = Maintenance((OnceWindow(("*",), 1100.0, 2000.0),))
    watched = Watched(maintenance=maintenance)
    watched.hear(1000.0)
    watched.wait(1200)
    assert [(phase, kind) for _, phase, kind in watched.told] == [
        ("new", "silence"),
        ("end", "silence"),
        ("new", "silence"),
    ]
    assert watched.faults[1].reason == "maintenance"
    assert watched.told[2][0] == pytest.approx(2000.0, abs=2)
    assert watched.entry.describe() == {"open_faults": {"silence": 1}, "muted": 1}


def test_closing_ends_what_is_open_with_the_reason() -> None:
    watched = Watched()
    watched.hear(1000.0)
    watched.wait(100)
    watched.device.close("gateway stopped")
    watched.device.close("gateway stopped")
    assert [phase for _, phase, _ in watched.told] == ["new", "end"]
    assert watched.faults[-1].reason == "gateway stopped"


def test_a_thousand_silent_devices_leave_room_for_an_alert() -> None:
    cap = AlertCap(10)
    told: list[str] = []
    entry = EntryWatch("m", SIGNAL, on_fault=lambda name, *_: told.append(name), live=True, cap=cap)
    devices = [entry.device(f"m/{number}") for number in range(1000)]
    for device in devices:
        device.heard(1)
        device.sample(0.0, wave(1)[0])
    for _ in range(100):
        entry.tick(1.0)
    assert len(told) == 10
    assert cap.suppressed == 990
    assert devices[0].alerts.admit(100.0, 2.0, again=False)
    (summary,) = cap.summaries(flush=True)
    assert (summary.alerts, summary.faults, len(summary.streams)) == (0, 990, 990)


def test_the_longest_flat_travels_in_the_bundle() -> None:
    signal = bundles.unpack(tiny_bundle_bytes(signal=MOVING)).manifest.signal
    assert [channel.longest_flat for channel in signal.channels] == [2, 2, 2]


BLOCKS = st.lists(
    st.tuples(st.integers(1, 40), st.sampled_from(["good", "nan", "far", "flat", "reject"]), st.integers(0, 2)),
    max_size=8,
)


@given(BLOCKS, st.sampled_from([None, (50.0, 120.0)]), st.sampled_from([None, 1]))
def test_whatever_comes_each_kind_is_new_then_updates_then_end(
    blocks: list[tuple[int, str, int]], mute: tuple[float, float] | None, per_hour: int | None
) -> None:
    windows = Mute([OnceWindow(("*",), *mute)]) if mute else None
    restraint = Restraint("s", "faults", mute=windows, cap=AlertCap(per_hour) if per_hour else None)
    monitor = FaultMonitor(FaultRules(MOVING, FaultPolicy()), restraint=restraint)
    steps = list(_play(monitor, blocks))
    steps += monitor.close(1e6, reason="gateway stopped")
    lives: dict[FaultKind, Fault | None] = {}
    for time, fault in steps:
        before = lives.get(fault.kind)
        if fault.phase == "new":
            assert before is None
            assert fault.seq == 1
            assert mute is None or not mute[0] <= time < mute[1]
        else:
            assert before is not None
            assert (fault.fault_id, fault.seq, fault.start) == (before.fault_id, before.seq + 1, before.start)
            assert set(fault.channels) >= set(before.channels)
        assert fault.start <= time
        lives[fault.kind] = None if fault.phase == "end" else fault
    assert all(life is None for life in lives.values())
    assert not per_hour or sum(fault.phase == "new" for _, fault in steps) <= 1


def _play(monitor: FaultMonitor, blocks: list[tuple[int, str, int]]) -> Sequence[tuple[float, Fault]]:
    time, steps = 0.0, []
    spoil: dict[str, Callable[[np.ndarray, int], None]] = {
        "nan": lambda row, channel: row.__setitem__(channel, NAN),
        "far": lambda row, channel: row.__setitem__(channel, 1e4),
        "flat": lambda row, channel: row.__setitem__(channel, 1.0),
        "good": lambda row, channel: None,
    }
    for count, kind, channel in blocks:
        for row in wave(count):
            time += 1.0
            if kind == "reject":
                steps += monitor.reject(time, "why")
                continue
            spoil[kind](row, channel)
            steps += monitor.push(time, row)
    return steps
