"""A gateway under a few hours of load, in short; ``python -m vedette.benchmarks.endurance`` is a day of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from required import missing

from vedette.benchmarks.delivery.parts import MOSQUITTO
from vedette.benchmarks.endurance import Endurance, Point, run_endurance


@pytest.mark.slow
def test_a_gateway_under_load_stays_as_it_was_and_writes_nothing_at_rest(tmp_path: Path) -> None:
    if not Path(MOSQUITTO).exists():
        missing("mosquitto is not installed", "make system-packages")
    run = run_endurance(tmp_path, hours=4.0, speed=480.0, streams=10, idle_s=10.0)
    # Four hours are too short for a slope, and a folder in memory has no flash.
    assert [fault for fault in run.faults if not fault.startswith(("memory grows", "the kernel"))] == []
    assert run.broker_deaths == 1
    assert run.events > 10
    assert run.samples > 0.99 * run.sent


def test_what_is_not_kept_is_told() -> None:
    points = [Point(hour, 50.0 + hour, threads=4, files=8 + hour % 2, written_kib=8.0) for hour in range(1, 5)]
    run = Endurance(
        hours=4.0,
        streams=1,
        seconds=1.0,
        points=points,
        peak_mib=70.0,
        samples=10,
        sent=10,
        events=2,
        acknowledged=1,
        rejected=0,
        overflow=3,
        broker_deaths=0,
        idle_s=10.0,
        idle_written_kib=4.0,
    )
    run.judge()
    assert run.faults == [
        "open files: expected as many each hour, found [8, 9]",
        "memory grows by 24.00 MiB a day",
        "memory: 70.0 MiB",
        "4 KiB written in 10 s without incidents",
        "2 events, of which 1 were acknowledged",
        "3 samples lost in the gateway's queue: too fast for this machine",
    ]
