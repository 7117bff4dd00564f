"""Metrics and the status command, of a daemon that really runs, and what their settings refuse."""

from __future__ import annotations

import json
import socket
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command import vedette
from conftest import Consumer, Gateway, Mosquitto, incident, wait_for
from frozen import Frozen
from required import missing

from vedette.errors import ConfigError
from vedette.runtime.config.gateway import load_gateway
from vedette.runtime.observe.terminal import render

Consume = Callable[..., Consumer]
INPUT = '{ mqtt = "plant/+/raw" }'


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def append(gateway: Gateway, text: str) -> None:
    config = gateway.folder / "gateway.toml"
    config.write_text(config.read_text() + text)


def status(gateway: Gateway) -> dict[str, Any]:
    outcome = vedette("status", gateway.folder / "gateway.toml", "--json")
    assert outcome.code == 0, outcome.stderr
    found: dict[str, Any] = json.loads(outcome.stdout)
    return found


def values(text: str) -> dict[str, dict[str, float]]:
    """Sample name -> value of the label that tells samples apart ("" where there is none) -> value."""
    try:
        from prometheus_client.parser import text_string_to_metric_families
    except ModuleNotFoundError:
        missing("prometheus-client is not installed", "make install")
    found: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = [value for name, value in sample.labels.items() if name != "gateway"]
            found.setdefault(sample.name, {})["".join(labels)] = sample.value
    return found


@pytest.mark.slow
def test_metrics_as_a_file_and_over_http_read_back_with_the_library(
    gateway: Gateway, mosquitto: Mosquitto, consume: Consume
) -> None:
    port = free_port()
    gateway.configure(INPUT)
    append(gateway, f'[metrics]\ntextfile = "vedette.prom"\nevery_s = 1\nlisten = "127.0.0.1:{port}"\n')
    consumer = consume("vedette/#")
    gateway.start()
    consumer.wait_online()
    lines = incident(1000.0)
    for line in lines[:9]:
        consumer.publish('plant/pump"1\\/raw', line)
    consumer.publish("plant/other/raw", "not json")

    def fetched() -> dict[str, dict[str, float]]:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            return values(answer.read().decode())

    wait_for(lambda: fetched().get("vedette_samples_rejected_total", {}).get("") == 1, "the counters")
    found = fetched()
    stream = "s1/pump%221%5C"
    assert found["vedette_samples_total"] == {"": 9}
    assert found["vedette_alerts_total"] == {"new": 1, "update": 0, "end": 0}
    assert found["vedette_connected"] == {"": 1}
    assert found["vedette_stream_threshold"] == {stream: 9.0}
    assert found["vedette_stream_score"][stream] > 9.0
    assert found["vedette_stream_alert_open"] == {stream: 1}
    assert 0 <= found["vedette_stream_last_sample_age_seconds"][stream] < 60
    assert found["vedette_scoring_seconds_total"][""] > 0
    assert 20e6 < found["vedette_resident_memory_bytes"][""] < 500e6
    assert found["vedette_outbox_bytes"][""] > 0
    assert found["vedette_part_stalled"] == {"scoring": 0, "outbox": 0, "network": 0}
    file = gateway.folder / "vedette.prom"
    wait_for(lambda: values(file.read_text())["vedette_samples_total"] == {"": 9}, "the file")
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert set(values(file.read_text())) == set(found)
    assert gateway.stop() == 0
    assert not file.exists(), "stale metrics look like live ones"
    assert not list(gateway.folder.glob("*.sock"))


@pytest.mark.slow
def test_a_reload_opens_and_closes_what_is_shown(gateway: Gateway, mosquitto: Mosquitto) -> None:
    port = free_port()
    base = gateway.configure(INPUT).read_text()
    gateway.start()
    gateway.wait_connected()

    def answers() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    assert not answers()
    append(gateway, f'[metrics]\nlisten = "127.0.0.1:{port}"\n')
    assert gateway.process is not None
    gateway.process.send_signal(1)
    wait_for(answers, "the metrics")
    (gateway.folder / "gateway.toml").write_text(base)
    gateway.process.send_signal(1)
    wait_for(lambda: not answers(), "the end of the metrics")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        append(gateway, f'[metrics]\nlisten = "127.0.0.1:{port}"\n')
        gateway.process.send_signal(1)
        wait_for(lambda: any("cannot listen" in reason for reason in status(gateway)["reasons"]), "the fault")
    assert status(gateway)["reloads"] == 3


@pytest.mark.slow
def test_status_shows_the_running_gateway(gateway: Gateway, mosquitto: Mosquitto, consume: Consume) -> None:
    config = gateway.configure(INPUT)
    consumer = consume("vedette/#")
    gateway.start()
    consumer.wait_online()
    for line in incident(1000.0)[:9]:
        consumer.publish("plant/pump1/raw", line)
    consumer.publish("plant/pump2/raw", incident(1000.0)[0])
    wait_for(lambda: len(status(gateway)["streams"]) == 2, "both streams")
    found = status(gateway)
    assert (found["gateway"], found["state"], found["reasons"]) == ("gw7", "online", [])
    assert found["connection"]["online"] is True
    alert = next(stream for stream in found["streams"] if stream["name"] == "s1/pump1")["alert"]
    assert alert["phase"] == "new"
    assert [(step["stream"], step["phase"]) for step in found["recent"]] == [("s1/pump1", "new")]
    (path,) = gateway.folder.glob("*.sock")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = vedette("status", config).stdout
    rows = text.splitlines()
    assert rows[0].startswith("gw7: online, up ")
    assert next(place for place, row in enumerate(rows) if "s1/pump1" in row) < next(
        place for place, row in enumerate(rows) if "s1/pump2" in row
    ), "open alerts come first"
    assert "ALERT" in text and "filling" in text
    # A mistake in the file does not hide the gateway that runs.
    append(gateway, "[outbox2]\nx = 1\n")
    assert status(gateway)["gateway"] == "gw7"
    config.write_text("gateway = [")
    assert vedette("status", config).code == ConfigError.exit_code
    assert vedette("status", config, "--socket", path).code == 0


@pytest.mark.slow
def test_status_of_a_gateway_that_hangs_says_so(gateway: Gateway, mosquitto: Mosquitto) -> None:
    gateway.configure(INPUT)
    gateway.start()
    gateway.wait_connected()
    assert status(gateway)["reasons"] == []
    assert gateway.process is not None
    with Frozen(gateway.process.pid):
        time.sleep(6)
        found = status(gateway)
        assert found["state"] == "degraded"
        assert found["reasons"][0].startswith("scoring: no progress for ")
    wait_for(lambda: status(gateway)["reasons"] == [], "the recovery")


@pytest.mark.slow
def test_status_can_be_watched(gateway: Gateway, mosquitto: Mosquitto) -> None:
    config = gateway.configure(INPUT)
    gateway.start()
    gateway.wait_connected()
    command = [sys.executable, "-m", "vedette", "status", config, "--watch", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        first, second = (json.loads(watching.stdout.readline()) for _ in range(2))
        watching.kill()
    assert second["uptime_s"] > first["uptime_s"]


def test_status_without_a_gateway_says_what_to_try(tmp_path: Path, tiny_bundle: Path) -> None:
    config = write(tmp_path, tiny_bundle, "")
    outcome = vedette("status", config)
    assert outcome.code == 10
    assert "is `vedette run` up?" in outcome.stderr


def test_text_from_outside_does_not_reach_the_terminal_as_commands() -> None:
    stream = {
        "name": "s1/\x1b[2J",
        "score": None,
        "threshold": 9.0,
        "severity": None,
        "last_sample_age_s": None,
        "alert": None,
        "faults": ["silence"],
        "maintenance": True,
    }
    names = ("samples", "rejected", "input_overflow", "alerts_raised", "faults_raised", "alerts_confirmed")
    counters = dict.fromkeys(names, 0)
    text = render(
        {
            "gateway": "gw7",
            "state": "offline",
            "version": "0",
            "uptime_s": 1.0,
            "reasons": ["\x1b]0;x\x07"],
            "connection": {"online": False, "broker": "b:1", "mqtt_version": None},
            "outbox": {"pending": 0, "dropped": 0, "bytes": 0, "max_bytes": 1},
            "counters": counters,
            "scoring": {"waiting": 0, "us_per_sample": None},
            "rss_bytes": 0,
            "streams": [stream] * 150,
        }
    )
    assert "\x1b" not in text and "\x07" not in text
    assert "faults   150 open, 0 events since the start; 150 stream(s) in maintenance" in text
    assert "fault: silence" in text
    assert "… and 50 more" in text


def write(folder: Path, bundle: Path, text: str) -> Path:
    path = folder / "gateway.toml"
    path.write_text(
        f'gateway = "gw7"\n[mqtt]\nhost = "localhost"\ntls = false\n[outbox]\npath = "o.db"\n{text}\n'
        f'[[stream]]\nname = "a"\nbundle = "{bundle}"\nsource = {{ mqtt = "a" }}\n'
    )
    return path


def test_by_default_nothing_is_shown(tmp_path: Path, tiny_bundle: Path) -> None:
    found = load_gateway(write(tmp_path, tiny_bundle, ""), environ={}).observe
    assert (found.textfile, found.metrics, found.page, found.prefix) == (None, None, None, None)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[metrics]\nlisten = "0.0.0.0:9464"', "allow_remote = true"),
        ('[status_page]\nlisten = "192.168.1.5:80"', "allow_remote = true"),
        ('[status_page]\nlisten = "[::]:80"', "allow_remote = true"),
        ('[metrics]\nlisten = "9464"', "expected an IP address and a port"),
        ('[metrics]\nlisten = "gw7.example:9464"', "expected an IP address and a port"),
        ('[metrics]\nlisten = "127.0.0.1:99999"', "expected an IP address and a port"),
        ('[metrics]\ntextfile = "metrics.txt"', 'ends in ".prom"'),
        ("[metrics]\nevery_s = 0", "expected 1 to 3600"),
        ("[status_pages]\nlisten = 1", 'did you mean "status_page"'),
        ("[discovery]\nhomeassistant = true", 'did you mean "home_assistant"'),
        ('[discovery]\nprefix = "a/#"', "expected a topic"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(tmp_path: Path, tiny_bundle: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_gateway(write(tmp_path, tiny_bundle, text), environ={})
    assert says in str(error.value)


def test_what_is_said_in_so_many_words_is_allowed(tmp_path: Path, tiny_bundle: Path) -> None:
    text = '[metrics]\nlisten = "0.0.0.0:9464"\nallow_remote = true\n[status_page]\nlisten = "localhost:8480"'
    environ = {"VEDETTE_DISCOVERY_HOME_ASSISTANT": "true", "VEDETTE_METRICS_EVERY_S": "3"}
    found = load_gateway(write(tmp_path, tiny_bundle, text), environ=environ).observe
    assert found.metrics is not None and found.metrics.allow_remote
    assert str(found.page) == "127.0.0.1:8480"
    assert (found.prefix, found.every_s) == ("homeassistant", 3)
