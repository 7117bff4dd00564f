"""The log: one line per event, ids that last, no floods, no secrets."""

from __future__ import annotations

import ast
import contextlib
import io
import json
import logging
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Gateway, incident

from vedette.runtime import logs
from vedette.runtime.events import Event, about

ROOT = Path(__file__).parent.parent.parent
# Debug lines are for developers; they belong to no event.
LEVELS = {"info", "warning", "error", "critical", "exception"}


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def stderr() -> Iterator[io.StringIO]:
    """What a process logs, with the process's own settings put back at the end."""
    root = logging.getLogger()
    handlers, level, hook, thread_hook = root.handlers[:], root.level, sys.excepthook, threading.excepthook
    root.handlers = []
    yield io.StringIO()
    root.handlers, sys.excepthook, threading.excepthook = handlers, hook, thread_hook
    root.setLevel(level)


def set_up(stream: io.StringIO, style: logs.Format) -> None:
    with contextlib.redirect_stderr(stream):
        logs.set_up(style)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_json_line_has_time_level_event_message_and_fields(stderr: io.StringIO) -> None:
    set_up(stderr, "json")
    logging.getLogger("x").warning("%s:\nred", "s1", extra=about(Event.ALERT, stream="s1", severity=1.5, time="mine"))
    (line,) = lines(stderr)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    assert line == {"level": "warning", "event": "alert.step", "message": "s1:\nred", "stream": "s1", "severity": 1.5}
    assert stderr.getvalue().count("\n") == 1


def test_a_text_line_stays_one_line(stderr: io.StringIO) -> None:
    set_up(stderr, "text")
    logging.getLogger("x").warning("a\nb\rc", extra=about(Event.OTHER))
    assert stderr.getvalue().endswith("WARNING a | b c\n")


def test_what_json_cannot_carry_is_told_as_text(stderr: io.StringIO) -> None:
    set_up(stderr, "json")
    logging.getLogger("x").info("x", extra=about(Event.ALERT, severity=float("nan"), path=Path("/a")))
    assert (lines(stderr)[0]["severity"], lines(stderr)[0]["path"]) == ("nan", "/a")


def test_long_text_from_outside_is_cut(stderr: io.StringIO) -> None:
    set_up(stderr, "json")
    logging.getLogger("x").info("%s", "x" * 100_000)
    assert len(stderr.getvalue()) < 48 * 1024


def test_a_flood_of_one_event_is_cut_and_counted(stderr: io.StringIO) -> None:
    clock = Clock()
    with contextlib.redirect_stderr(stderr):
        handler = logs.LimitedHandler(clock=clock)
    handler.setFormatter(logs.JsonLine(with_priority=False))
    logger = logging.Logger("flood")
    logger.addHandler(handler)
    for _ in range(1000):
        logger.warning("again", extra=about(Event.SAMPLE_REJECTED))
    logger.warning("another", extra=about(Event.CONNECTED))
    assert len(lines(stderr)) == logs.MAX_LINES + 1
    clock.now = logs.PERIOD_S
    logger.warning("again", extra=about(Event.SAMPLE_REJECTED))
    suppressed, again = lines(stderr)[-2:]
    assert (suppressed["event"], suppressed["of"], suppressed["lines"]) == (
        "log.suppressed", "sample.rejected", 1000 - logs.MAX_LINES
    )  # fmt: skip
    assert again["message"] == "again"
    for _ in range(logs.MAX_LINES):
        logger.warning("again", extra=about(Event.SAMPLE_REJECTED))
    handler.close()
    assert lines(stderr)[-1]["lines"] == 1


def test_every_id_is_in_the_reference_and_no_other() -> None:
    text = (ROOT / "docs" / "reference" / "log-events.md").read_text()
    assert re.findall(r"^\| `([a-z_.]+)` \|", text, re.M) == [event.value for event in Event]


def gateway_modules() -> list[Path]:
    """What runs on a gateway."""
    return sorted(path for folder in ("runtime", "firmware_bridge/link") for path in (ROOT / folder).rglob("*.py"))


def log_calls() -> Iterator[tuple[str, ast.Call]]:
    """Every call of a logger on the gateway, with its place."""
    for path in gateway_modules():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS:
                value = node.func.value
                if isinstance(value, ast.Name) and value.id in ("log", "logger", "logging"):
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def test_every_log_call_of_the_runtime_has_an_event_id() -> None:
    calls = list(log_calls())
    assert len(calls) > 10
    without = [place for place, call in calls if not any(keyword.arg == "extra" for keyword in call.keywords)]
    assert not without, "give these extra=about(Event.…)"


def test_every_id_is_used() -> None:
    text = "".join(path.read_text() for path in gateway_modules() if path.name != "events.py")
    assert [event.name for event in Event if f"Event.{event.name}" not in text] == []


@pytest.mark.slow
def test_a_gateway_logs_json_when_asked_and_never_its_password(gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("hunter2-and-a-half")
    (tmp_path / "password").chmod(0o600)
    config = gateway.configure("{ stdin = true }", mqtt='username = "gw7"\npassword_file = "password"')
    found = run(config, "--log", "json", stdin="\n".join([*incident(0.0), "{bad"]))
    events = [json.loads(line)["event"] for line in found.stderr.splitlines()]
    for event in ("stream.loaded", "gateway.started", "alert.step", "sample.rejected", "broker.no_connection"):
        assert event in events
    assert (events[-1], found.returncode) == ("gateway.stopped", 0)
    assert "hunter2" not in found.stderr


@pytest.mark.slow
def test_a_failure_is_an_event_with_the_same_exit_code(gateway: Gateway) -> None:
    config = gateway.configure("{ stdin = true }", top="wrong = 1")
    found = run(config, "--log", "json")
    line = json.loads(found.stderr)
    assert (found.returncode, line["event"], line["exit_code"], line["level"]) == (11, "gateway.failed", 11, "critical")
    text = run(config)
    assert text.returncode == 11
    assert text.stderr.startswith("vedette: ")


@pytest.mark.slow
def test_under_journald_lines_are_json_with_priorities(gateway: Gateway, tmp_path: Path) -> None:
    config = gateway.configure("{ stdin = true }", top="wrong = 1")
    with (tmp_path / "journal").open("wb") as journal:
        status = os.fstat(journal.fileno())
        environ = {**os.environ, "JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        command = [sys.executable, "-m", "vedette", "run", config]
        subprocess.run(command, stderr=journal, stdin=subprocess.DEVNULL, env=environ, timeout=60, check=False)
    line = (tmp_path / "journal").read_text()
    assert line.startswith("<2>{")
    assert json.loads(line[3:])["event"] == "gateway.failed"


@pytest.mark.slow
def test_a_crash_is_an_event_with_its_traceback() -> None:
    code = (
        "import threading\nfrom vedette.runtime import logs\nlogs.set_up('json')\n"
        "thread = threading.Thread(target=lambda: 1 / 0)\nthread.start()\nthread.join()\nraise RuntimeError('no')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    thread, main = (json.loads(line) for line in done.stderr.splitlines())
    assert (thread["event"], main["event"]) == ("gateway.crashed", "gateway.crashed")
    assert thread["message"].startswith("ZeroDivisionError")
    assert "Traceback" in main["traceback"]
    assert done.returncode == 1


def run(config: Path, *options: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "vedette", "run", config, *options]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60, check=False)
