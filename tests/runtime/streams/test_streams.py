"""The stream table: times of samples without one, devices, rejections."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from tiny import CHANNELS, POLICY, tiny_bundle_bytes

from vedette.errors import DataError
from vedette.runtime.alerting.alerts import Alert
from vedette.runtime.alerting.faults import REJECTED_RUN
from vedette.runtime.alerting.watch import EntryWatch
from vedette.runtime.bundles import bundle as bundles
from vedette.runtime.ingest.layout import Layout
from vedette.runtime.ingest.sources.base import Arrival
from vedette.runtime.ingest.timeline import TimePolicy
from vedette.runtime.streams.entry import Device, StreamEntry, score
from vedette.runtime.streams.stream import StreamGroup

Told = list[tuple[str, float, str]]


@pytest.fixture
def told() -> Told:
    return []


@pytest.fixture
def rejected() -> list[str]:
    return []


class ScoredAtOnce(StreamEntry):
    """An entry whose samples wait for no others."""

    def take(self, arrival: Arrival) -> None:
        super().take(arrival)
        score(self.group)

    def due(self, now: float) -> None:
        super().due(now)
        score(self.group)


MakeEntry = Callable[..., StreamEntry]


@pytest.fixture
def make_entry(told: Told, rejected: list[str]) -> MakeEntry:
    def on_alert(device: Device, time: float, alert: Alert) -> None:
        told.append((device.name, time, alert.phase))

    def on_rejection(name: str, error: DataError) -> None:
        rejected.append(f"{name}: {error}")

    bundle = bundles.unpack(tiny_bundle_bytes())

    def make(group: StreamGroup | None = None, **options: Any) -> StreamEntry:
        return ScoredAtOnce(
            "motors",
            bundle,
            group or StreamGroup(bundle.manifest, bundle.load_model()),
            policy=POLICY,
            max_devices=2,
            max_payload_bytes=10_000,
            on_alert=on_alert,
            on_rejection=on_rejection,
            **options,
        )

    return make


@pytest.fixture
def entry(make_entry: MakeEntry) -> StreamEntry:
    return make_entry()


def arrival(document: object, time: float, device: str | None = None) -> Arrival:
    return Arrival(0, device, json.dumps(document).encode(), time)


def take(entry: StreamEntry, arrived: Arrival) -> None:
    """Offer what arrived, and score it."""
    entry.take(arrived)


def rows(*values: float) -> list[dict[str, float]]:
    return [dict.fromkeys(CHANNELS, value) for value in values]


def test_samples_without_times_get_the_time_of_their_arrival(entry: StreamEntry, told: Told) -> None:
    for number, (row,) in enumerate(zip(rows(1, 1, 1, 1, 5, 5), strict=True)):
        take(entry, arrival(row, 100.0 + number))
    assert told == [("motors", 105.0, "new")]


def test_a_batch_without_times_ends_now_and_steps_by_the_period(entry: StreamEntry, told: Told) -> None:
    take(entry, arrival(rows(1, 1, 1, 1, 5, 5, 1), 100.0))
    assert told == [("motors", 99.0, "new")]


def test_a_clock_set_back_does_not_stop_a_stream_without_times(entry: StreamEntry, rejected: list[str]) -> None:
    take(entry, arrival(rows(1, 1), 1000.0))
    take(entry, arrival(rows(1, 1), 10.0))
    assert (entry.samples, rejected) == (4, [])


def test_samples_that_are_not_newer_are_rejected(entry: StreamEntry, rejected: list[str]) -> None:
    for time in (1.0, 2.0, 2.0, 1.5, 3.0):
        take(entry, arrival({"time": time, **rows(1)[0]}, 100.0))
    assert (entry.samples, entry.rejected) == (3, 2)
    assert "is not newer" in rejected[0]


def test_devices_are_apart_and_bounded(entry: StreamEntry, told: Told, rejected: list[str]) -> None:
    for number, value in enumerate([1, 1, 1, 1, 5, 5]):
        take(entry, arrival(rows(value)[0], float(number), "a b"))
        take(entry, arrival(rows(1)[0], float(number), "c"))
        take(entry, arrival(rows(5)[0], float(number), "one too many"))
    assert told == [("motors/a%20b", 5.0, "new")]
    assert entry.describe()["devices"] == 2
    assert entry.describe()["open_alerts"] == 1
    assert len(rejected) == 6


def test_a_bad_sample_in_a_batch_costs_only_itself(entry: StreamEntry, rejected: list[str]) -> None:
    take(entry, arrival([rows(1)[0], {"x": "one"}, rows(1)[0]], 100.0))
    assert (entry.samples, entry.rejected) == (2, 1)
    assert 'channel "x"' in rejected[0]


def test_missing_values_beyond_the_policy_are_rejected_and_the_stream_recovers(
    entry: StreamEntry, rejected: list[str]
) -> None:
    take(entry, arrival(rows(1, 1, 1, 1), 100.0))
    for number in range(5):
        take(entry, arrival({"x": 1.0, "y": None}, 101.0 + number))
    take(entry, arrival(rows(1, 1, 1, 1), 110.0))
    assert entry.rejected == len(rejected) > 0
    assert entry.samples + entry.rejected == 13


def test_open_alerts_are_closed_with_the_reason(entry: StreamEntry, told: Told) -> None:
    take(entry, arrival(rows(1, 1, 1, 1, 5, 5), 100.0))
    entry.close_alerts("gateway stopped")
    entry.close_alerts("gateway stopped")
    assert [phase for _, _, phase in told] == ["new", "end"]


def test_late_samples_are_scored_in_order_and_the_last_ones_in_time(
    make_entry: MakeEntry, told: Told, rejected: list[str]
) -> None:
    entry = make_entry(times=TimePolicy(max_delay_s=2.0))
    for time in (0, 2, 1, 4, 3, 3, 5):
        entry.take(arrival({"time": float(time), **rows(5 if time > 3 else 1)[0]}, 100.0))
    assert told == []
    entry.due(math.inf)
    assert told == [("motors", 5.0, "new")]
    assert (entry.samples, entry.rejected) == (6, 1)
    assert entry.describe()["times"] == {"duplicate": 1, "late": 0, "ahead": 0, "restarts": 0}
    assert "came twice" in rejected[0]


def test_the_end_leaves_no_sample_unscored(make_entry: MakeEntry, told: Told) -> None:
    entry = make_entry(times=TimePolicy(max_delay_s=60.0))
    for time, value in enumerate([1, 1, 1, 1, 5, 5]):
        entry.take(arrival({"time": float(time), **rows(value)[0]}, 100.0))
    entry.close_alerts("source ended")
    assert [phase for _, _, phase in told] == ["new", "end"]


def test_a_clock_set_back_ends_the_alert_and_starts_an_empty_window(
    entry: StreamEntry, told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    entry.take(arrival(rows(1, 1, 1, 1, 5, 5), 1e9))
    entry.take(arrival(rows(1, 1, 1), 1000.0))
    assert [(time, phase) for _, time, phase in told] == [(1e9, "new"), (1e9, "end")]
    assert "the gateway's clock was set back; the stream starts anew" in caplog.text
    # Neither the open alert's nor the cooldown's timers wait for the old time to come again.
    entry.take(arrival(rows(1, 5, 5), 1003.0))
    assert [(time, phase) for _, time, phase in told[2:]] == [(1003.0, "new")]
    assert entry.describe()["times"]["restarts"] == 1


def test_an_entry_that_goes_leaves_its_places_to_others(make_entry: MakeEntry, told: Told) -> None:
    first = make_entry()
    for device in ("a", "b"):
        first.take(arrival(rows(1, 1, 1, 5, 5), 100.0, device))
    first.close_alerts("stream removed")
    first.leave()
    assert [(name, phase) for name, _, phase in told] == [
        ("motors/a", "new"), ("motors/b", "new"), ("motors/a", "end"), ("motors/b", "end")
    ]  # fmt: skip
    told.clear()
    second = make_entry(group=first.group)
    second.take(arrival(rows(5, 5), 102.0, "c"))
    assert told == [], "the window of a stream that begins is empty"
    second.take(arrival(rows(1, 1, 1, 1, 5, 5), 110.0, "c"))
    assert [(name, phase) for name, _, phase in told] == [("motors/c", "new")]
    second.take(arrival(rows(1), 110.0, "d"))
    assert first.group.detector.streams == 2


def test_a_clock_set_back_ends_the_faults_too(make_entry: MakeEntry) -> None:
    faults: list[tuple[str, str | None]] = []
    signal = bundles.unpack(tiny_bundle_bytes()).manifest.signal
    watch = EntryWatch("motors", signal, on_fault=lambda _, __, fault: faults.append((fault.phase, fault.reason)))
    entry = make_entry(watch=watch)
    entry.take(arrival(rows(1), 1e9))
    for _ in range(REJECTED_RUN):
        entry.take(Arrival(0, None, b"?", 1e9))
    entry.take(arrival(rows(1, 1, 1), 1000.0))
    assert faults == [("new", None), ("end", "the gateway's clock was set back")]


def test_a_far_future_sample_is_rejected_and_counted(make_entry: MakeEntry, rejected: list[str]) -> None:
    entry = make_entry(times=TimePolicy(max_ahead_s=300.0))
    for time in (100.0, 101.0, 1e9, 102.0):
        entry.take(arrival({"time": time, **rows(1)[0]}, 100.0))
    assert entry.samples == 3
    assert entry.describe()["times"]["ahead"] == 1
    assert "check the device's clock" in rejected[0]


def test_the_payload_may_name_the_device(make_entry: MakeEntry, told: Told) -> None:
    entry = make_entry(layout=Layout(samples=("d",), device=("id",)))
    for number, value in enumerate([1, 1, 1, 1, 5, 5]):
        batch = [{"id": "a+b", **rows(value)[0]}, {"id": "b", **rows(1)[0]}, {"id": "c", **rows(1)[0]}]
        entry.take(arrival({"d": batch}, float(number)))
    assert told == [("motors/a%2Bb", 5.0, "new")]
    assert (entry.samples, entry.rejected) == (12, 6)


def test_a_wrong_rate_and_unknown_keys_are_told_once(entry: StreamEntry) -> None:
    for number in range(100):
        entry.take(arrival({"time": number * 0.1, "q": 1, **rows(1)[0]}, 100.0))
    notices = entry.describe()["notices"]
    assert [notice.split(",")[0] for notice in notices] == ['samples with "q"', "motors: a sample every 0.1 s"]
