"""The stream table: times of samples without one, devices, rejections."""

from __future__ import annotations

import json

import pytest
from tiny import CHANNELS, POLICY, tiny_bundle_bytes

from vedette.errors import DataError
from vedette.runtime import bundle as bundles
from vedette.runtime.alerts import Alert
from vedette.runtime.sources.base import Arrival
from vedette.runtime.streams import Device, StreamEntry

Told = list[tuple[str, float, str]]


@pytest.fixture
def told() -> Told:
    return []


@pytest.fixture
def rejected() -> list[str]:
    return []


@pytest.fixture
def entry(told: Told, rejected: list[str]) -> StreamEntry:
    def on_alert(device: Device, time: float, alert: Alert) -> None:
        told.append((device.name, time, alert.phase))

    def on_rejection(name: str, error: DataError) -> None:
        rejected.append(f"{name}: {error}")

    bundle = bundles.unpack(tiny_bundle_bytes())
    return StreamEntry(
        "motors",
        bundle,
        bundle.load_model(),
        policy=POLICY,
        max_devices=2,
        max_payload_bytes=10_000,
        on_alert=on_alert,
        on_rejection=on_rejection,
    )


def arrival(document: object, time: float, device: str | None = None) -> Arrival:
    return Arrival(0, device, json.dumps(document).encode(), time)


def rows(*values: float) -> list[dict[str, float]]:
    return [dict.fromkeys(CHANNELS, value) for value in values]


def test_samples_without_times_get_the_time_of_their_arrival(entry: StreamEntry, told: Told) -> None:
    for number, (row,) in enumerate(zip(rows(1, 1, 1, 1, 5, 5), strict=True)):
        entry.take(arrival(row, 100.0 + number))
    assert told == [("motors", 105.0, "new")]


def test_a_batch_without_times_ends_now_and_steps_by_the_period(entry: StreamEntry, told: Told) -> None:
    entry.take(arrival(rows(1, 1, 1, 1, 5, 5, 1), 100.0))
    assert told == [("motors", 99.0, "new")]


def test_a_clock_set_back_does_not_stop_a_stream_without_times(entry: StreamEntry, rejected: list[str]) -> None:
    entry.take(arrival(rows(1, 1), 1000.0))
    entry.take(arrival(rows(1, 1), 10.0))
    assert (entry.samples, rejected) == (4, [])


def test_samples_that_are_not_newer_are_rejected(entry: StreamEntry, rejected: list[str]) -> None:
    for time in (1.0, 2.0, 2.0, 1.5, 3.0):
        entry.take(arrival({"time": time, **rows(1)[0]}, 100.0))
    assert (entry.samples, entry.rejected) == (3, 2)
    assert "is not newer" in rejected[0]


def test_devices_are_apart_and_bounded(entry: StreamEntry, told: Told, rejected: list[str]) -> None:
    for number, value in enumerate([1, 1, 1, 1, 5, 5]):
        entry.take(arrival(rows(value)[0], float(number), "a b"))
        entry.take(arrival(rows(1)[0], float(number), "c"))
        entry.take(arrival(rows(5)[0], float(number), "one too many"))
    assert told == [("motors/a%20b", 5.0, "new")]
    assert entry.describe()["devices"] == 2
    assert entry.describe()["open_alerts"] == 1
    assert len(rejected) == 6


def test_a_bad_sample_in_a_batch_costs_only_itself(entry: StreamEntry, rejected: list[str]) -> None:
    entry.take(arrival([rows(1)[0], {"x": "one"}, rows(1)[0]], 100.0))
    assert (entry.samples, entry.rejected) == (2, 1)
    assert 'channel "x"' in rejected[0]


def test_missing_values_beyond_the_policy_are_rejected_and_the_stream_recovers(
    entry: StreamEntry, rejected: list[str]
) -> None:
    entry.take(arrival(rows(1, 1, 1, 1), 100.0))
    for number in range(5):
        entry.take(arrival({"x": 1.0, "y": None}, 101.0 + number))
    entry.take(arrival(rows(1, 1, 1, 1), 110.0))
    assert entry.rejected == len(rejected) > 0
    assert entry.samples + entry.rejected == 13


def test_open_alerts_are_closed_with_the_reason(entry: StreamEntry, told: Told) -> None:
    entry.take(arrival(rows(1, 1, 1, 1, 5, 5), 100.0))
    entry.close_alerts("gateway stopped")
    entry.close_alerts("gateway stopped")
    assert [phase for _, _, phase in told] == ["new", "end"]
