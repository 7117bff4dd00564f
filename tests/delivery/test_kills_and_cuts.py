"""Kills, power cuts and a long outage, in short; ``python -m vedette.benchmarks.delivery`` is the long form."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from required import missing

from vedette.benchmarks.delivery.kills import run_kills
from vedette.benchmarks.delivery.outage import run_outage
from vedette.benchmarks.delivery.parts import MOSQUITTO
from vedette.benchmarks.delivery.power_cuts import Call, Disk, record, replay

pytestmark = pytest.mark.slow


def test_kills_of_gateway_broker_and_consumer_lose_nothing_and_double_nothing(
    tmp_path: Path, tiny_bundle: Path
) -> None:
    if not Path(MOSQUITTO).exists():
        missing("mosquitto is not installed", "make system-packages")
    run = run_kills(tmp_path, tiny_bundle, kills=12, alerts=1000, seed=4)
    assert run.verdict.faults == []
    assert run.verdict.committed >= 1000
    assert min(run.kills.values()) > 0
    # A kill between printing and remembering shows one event twice, with the same id.
    assert run.verdict.printed_twice <= run.kills["consumer"]


def test_a_power_cut_at_any_write_loses_nothing_that_was_confirmed(tmp_path: Path) -> None:
    if shutil.which("strace") is None:
        missing("strace is not installed", "make system-packages")
    (tmp_path / "work").mkdir()
    calls = record(tmp_path / "work", rounds=6, seed=2)
    run = replay(calls, seed=2, variants=1, every=2)
    assert run.faults == []
    assert run.cuts > 500 and run.syncs > 20 and run.confirmed > 20


def test_the_replay_finds_a_sync_that_is_missing(tmp_path: Path) -> None:
    if shutil.which("strace") is None:
        missing("strace is not installed", "make system-packages")
    (tmp_path / "work").mkdir()
    calls = record(tmp_path / "work", rounds=4, seed=2)
    unsafe = [call for call in calls if not (call.name == "sync" and call.path.endswith("-wal"))]
    assert replay(unsafe, seed=2, variants=1, every=5).faults


def test_the_disk_model_keeps_what_was_synced_and_any_part_of_the_rest() -> None:
    disk = Disk()
    for call in (
        Call("create", "a"),
        Call("write", "a", 0, b"old"),
        Call("sync", "a"),
        Call("sync", ""),
        Call("write", "a", 3, b"new"),
        Call("create", "b"),
        Call("write", "b", 0, b"lost"),
    ):
        disk.apply(call)
    assert disk.after_cut(lambda _: [], 0.0) == {"a": b"old"}
    assert disk.after_cut(lambda since: since, 1.0) == {"a": b"oldnew", "b": b"lost"}


def test_days_without_a_broker_keep_the_quota_and_every_drop_is_reported(tmp_path: Path) -> None:
    run = run_outage(tmp_path, days=7, alerts_per_hour=40, quota_bytes=4 * 2**20, seed=3)
    assert run.exact, run
    assert run.reported_drops > 5000
