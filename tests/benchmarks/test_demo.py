"""The demo from end to end: what the consumer got is what the gateway raised is what ``vedette score`` says."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Consumer, Mosquitto, payload, wait_for
from tiny import CHANNELS

from vedette.benchmarks.demo_output import MARK, DemoFiles
from vedette.errors import BrokerError, OutputError, VedetteError

HOURS = {"train_hours": 2.0, "test_hours": 2.0}


def children() -> set[str]:
    """The processes that this one has started and not yet ended."""
    found: set[str] = set()
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(FileNotFoundError):  # a thread that has ended meanwhile
            found |= set((task / "children").read_text().split())
    return found


def check(output: Path, *, before: set[str]) -> dict[str, Any]:
    """Everything that must hold of a demo's output; the figures."""
    files = DemoFiles(output)
    figures: dict[str, Any] = json.loads(files.figures.read_text())
    received = [json.loads(line) for line in files.alerts.read_text().splitlines()]
    events = [event for event in received if event["type"].startswith("io.vedette.alert.")]
    delivery, agreement = figures["delivery"], figures["agreement"]
    assert delivery["samples"] == delivery["gateway_counters"]["samples"] == 3600
    assert delivery["samples_lost"] == delivery["gateway_counters"]["input_overflow"] == 0
    assert len(events) == delivery["alerts_raised"] == delivery["alerts_received"] > 0
    faults = {event["data"]["fault_id"]: event["data"]["kind"] for event in received if event not in events}
    assert sorted(faults.values()) == sorted(fault["kind"] for fault in figures["data_faults"])
    assert len({event["data"]["alert_id"] for event in events}) == len(figures["incidents"])
    assert (agreement["rows"], agreement["differing_rows"], agreement["differing_scores"]) == (3600, 0, 0)
    alert_rows = np.loadtxt(files.scores, delimiter=",", skiprows=1, usecols=2)
    assert len(alert_rows) == 3600
    assert alert_rows.any()
    assert figures["metrics"]["events_found"] == sum(fault["delay_s"] is not None for fault in figures["faults"])
    assert [fault["number"] for fault in figures["faults"]] == [1, 2, 3, 4, 5]
    png = files.picture.read_bytes()
    assert (png[:4], struct.unpack(">I", png[16:20])) == (b"\x89PNG", (1800,))
    page = files.page.read_text(encoding="utf-8")
    assert not re.search(r"https?:|<link|<script|@import|url\(", page)
    assert all(found.startswith("data:") for found in re.findall(r'(?:src|srcset|href)="([^"]*)', page))
    assert "alt=" in page
    assert (output / "gateway" / "gateway.toml").is_file()
    assert children() == before
    return figures


@pytest.mark.slow
def test_the_demo_with_its_own_broker(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from vedette.benchmarks.demo import run_demo
    from vedette.benchmarks.demo_view import print_summary

    before = children()
    (tmp_path / "out").mkdir()
    result = run_demo(tmp_path / "out", **HOURS)
    print_summary(result)
    out, err = capsys.readouterr()
    figures = check(tmp_path / "out", before=before)
    assert figures["delivery"]["mqtt_version"] == "3.1.1"
    assert out.count("demo/pump1") == len(DemoFiles(tmp_path / "out").alerts.read_text().splitlines())
    assert "data faults flat: pressure" in " ".join(out.split())
    assert f"{figures['metrics']['events_found']} of 5 faults found" in out
    assert [line.split()[0] for line in err.splitlines()] == [
        *("simulate", "train", "export", "gateway", "gateway", "evaluate", "picture")
    ]  # fmt: skip


@pytest.mark.slow
def test_the_demo_with_a_real_broker_leaves_nothing_on_it(
    tmp_path: Path, mosquitto: Mosquitto, consume: Callable[..., Consumer]
) -> None:
    from vedette.benchmarks.demo import run_demo

    mosquitto.kill()
    mosquitto.write_config(f"allow_anonymous true\nlog_dest file {tmp_path}/broker.log\nlog_type all")
    mosquitto.start()
    before = children()
    address = f"{mosquitto.host}:{mosquitto.port}"
    run_demo(tmp_path / "out", broker=address, **HOURS)
    figures = check(tmp_path / "out", before=before)
    assert (figures["delivery"]["broker"], figures["delivery"]["mqtt_version"]) == (address, "5")
    # The last connection of each client that had a session began a clean one.
    log = (tmp_path / "broker.log").read_text()
    last = dict(re.findall(r"New client connected from \S+ as (\S+) \(p5, c(\d)", log))
    assert len(last) == 3
    assert set(last.values()) == {"1"}
    consumer = consume("vedette/#")
    consumer.publish("vedette/marker", "after what is retained")
    wait_for(lambda: consumer.seen, "the marker")
    assert [topic for topic, _ in consumer.seen] == ["vedette/marker"]


@pytest.mark.slow
def test_a_demo_that_is_terminated_ends_its_processes(tmp_path: Path) -> None:
    token = f"DEMO_TEST={uuid.uuid4()}"
    name, value = token.split("=")
    demo = subprocess.Popen(
        [sys.executable, "-m", "vedette", "demo", "-o", tmp_path / "out"],
        env={**os.environ, name: value},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert demo.stdout is not None
    try:
        assert b"demo/pump1" in demo.stdout.readline()  # the first alert: everything runs
        assert len(_processes_with(token)) == 4
        demo.send_signal(signal.SIGTERM)
        assert demo.wait(30) == 128 + signal.SIGTERM
    finally:
        demo.kill()
        demo.wait()
        demo.stdout.close()
    assert _processes_with(token) == []


def _processes_with(token: str) -> list[str]:
    """The processes that have this in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if token.encode() in (process / "environ").read_bytes().split(b"\0"):
                found.append(process.name)
        except OSError:
            continue
    return found


def live_folder(tmp_path: Path, samples: int) -> tuple[Path, Path]:
    """Data for the tiny bundle: normal samples with one anomaly near the end; and a folder for the gateway."""
    rows = [json.loads(payload(1000.0 + i, 5.0 if samples - 20 <= i < samples - 10 else 1.0)) for i in range(samples)]
    data = tmp_path / "data.csv"
    lines = [",".join(str(row[key]) for key in ("time", *CHANNELS)) for row in rows]
    data.write_text("\n".join([",".join(("time", *CHANNELS)), *lines]) + "\n")
    folder = tmp_path / "gateway"
    folder.mkdir()
    return data, folder


@pytest.mark.slow
def test_an_alert_that_is_open_at_the_end_is_received(tmp_path: Path, tiny_bundle: Path) -> None:
    from vedette.benchmarks.demo_live import Watcher, run_live

    data, folder = live_folder(tmp_path, 200)
    data.write_text("\n".join(data.read_text().splitlines()[:-8]) + "\n")  # within the clearing time
    parts: list[float] = []
    shown: list[Any] = []
    watcher = Watcher(ready=lambda _: None, event=shown.append, progress=parts.append)
    live = run_live(tiny_bundle, data, folder, broker=None, watcher=watcher)
    assert [event["data"]["phase"] for event in live.events] == ["new", "end"]
    assert live.events[-1]["data"]["reason"] == "gateway stopped"
    assert shown == live.events
    assert parts[-1] == 1.0
    assert (live.samples, live.messages) == (192, 4)


@pytest.mark.slow
def test_a_gateway_that_dies_is_told_with_the_end_of_its_log(tmp_path: Path, tiny_bundle: Path) -> None:
    from vedette.benchmarks.demo_live import Watcher, run_live

    before = children()
    data, folder = live_folder(tmp_path, 20_000)

    def kill(part: float) -> None:
        if part > 0.1:
            for process in _children_running("run"):
                os.kill(process, signal.SIGKILL)

    watcher = Watcher(ready=lambda _: None, event=lambda _: None, progress=kill)
    with pytest.raises(VedetteError, match=r"(?s)vedette run ended by itself with code -9.*gateway\.log.*connected to"):
        run_live(tiny_bundle, data, folder, broker=None, watcher=watcher)
    assert children() == before


def _children_running(command: str) -> list[int]:
    return [
        int(process)
        for process in children()
        if f"vedette\0{command}\0" in Path(f"/proc/{process}/cmdline").read_text()
    ]


@pytest.mark.slow
def test_a_broker_that_is_not_there_is_told_before_anything_is_written(tmp_path: Path) -> None:
    from vedette.benchmarks.demo import run_demo

    began = time.monotonic()
    with pytest.raises(BrokerError, match=r"found none .*leave --broker out"):
        run_demo(tmp_path / "out", broker="127.0.0.1:9", **HOURS)
    silent = socket.create_server(("127.0.0.1", 0))
    with silent, pytest.raises(BrokerError, match=r"answers, but accepts no MQTT connection"):
        run_demo(tmp_path / "out", broker=f"127.0.0.1:{silent.getsockname()[1]}", **HOURS)
    assert time.monotonic() - began < 60
    assert not (tmp_path / "out").exists()


def test_a_directory_that_no_demo_made_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"not made by vedette demo.*-o"):
        DemoFiles(tmp_path).claim()
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]
    with pytest.raises(OutputError, match=r"not made by vedette demo"):
        DemoFiles(tmp_path / "thesis.txt").claim()


def test_an_earlier_demo_is_overwritten_and_files_of_others_in_it_stay(tmp_path: Path) -> None:
    files = DemoFiles(tmp_path / "out")
    files.claim()
    (files.data / "train.csv").write_text("old")
    files.page.write_text("old")
    (files.root / "notes.txt").write_text("mine")
    files.claim()
    assert sorted(file.name for file in files.root.iterdir()) == [MARK, "data", "gateway", "notes.txt"]
    assert not list(files.data.iterdir())


@pytest.mark.slow
def test_alerts_that_differ_from_the_scores_are_found_out() -> None:
    from vedette.benchmarks.demo_results import compare_with_score
    from vedette.runtime.streams.scoring import Scores
    from vedette.train.score_file import ScoredFile

    score = np.array([1, 1, 5, 6, 1, 1, 1], np.float32)
    alert = np.array([0, 0, 0, 1, 1, 0, 0], bool)
    scored = ScoredFile("time", [str(1000.0 + i) for i in range(7)], Scores(score, alert, score, np.arange(7), 0, None))

    def event(phase: str, second: int, score: float = 6.0, **more: str) -> dict[str, Any]:
        data = {"phase": phase, "alert_id": "a", "score": score, **more}
        return {"time": f"1970-01-01T00:16:{40 + second}.000Z", "data": data}

    def outcome(*events: dict[str, Any]) -> tuple[int, int]:
        found = compare_with_score(events, scored)
        return found.differing_rows, found.differing_scores

    assert outcome(event("new", 3), event("end", 5)) == (0, 0)
    assert outcome(event("new", 3), event("end", 6)) == (1, 0)
    assert outcome(event("new", 3, score=6.1), event("end", 5)) == (0, 1)
    assert outcome() == (2, 0)
    assert outcome(event("new", 3)) == (3, 0)
    assert outcome(event("new", 3), event("end", 4, reason="gateway stopped")) == (0, 0)


@pytest.mark.slow
def test_the_demo_knows_a_board_for_this_machine() -> None:
    from vedette.benchmarks.demo import board_of_this_machine
    from vedette.compress.boards import load_boards

    assert load_boards()[board_of_this_machine()].accelerator is None


def test_the_broker_of_the_demo_ends_when_its_parent_lets_go(tmp_path: Path) -> None:
    from vedette.benchmarks.processes import Child

    child = Child("broker", "vedette.benchmarks.broker", log=tmp_path / "log", piped=True)
    try:
        assert int(child.output.readline()) > 0
        assert child.process.stdin is not None
        child.process.stdin.close()
        wait_for(lambda: child.process.poll() is not None, "the broker to end")
        assert child.process.returncode == 0
    finally:
        child.process.stdin = None
        child.end(signal.SIGKILL)
