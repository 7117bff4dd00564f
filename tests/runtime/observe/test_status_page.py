"""The status page: what its server refuses, and the page itself in a real browser with a real gateway."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import socket
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import Consumer, Gateway, Mosquitto, incident, payload, wait_for
from required import missing
from test_observe import append, free_port

from vedette.runtime.config.observe_settings import Listen
from vedette.runtime.observe.web import MAX_CONNECTIONS, Answer, WebServer, host_allowed

Consume = Callable[..., Consumer]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture
def server() -> Iterator[WebServer]:
    """A server with one path, and one that has nothing to show yet."""
    routes = {"/": lambda: Answer("text/plain", b"here"), "/empty": lambda: Answer("text/plain", None)}
    found = WebServer(Listen("127.0.0.1", free_port(), False), routes)
    yield found
    found.close()


def ask(
    server: WebServer, path: str = "/", method: str = "GET", **headers: str
) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection = http.client.HTTPConnection(server.listen.host, server.listen.port, timeout=10)
    try:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def test_only_get_of_known_paths_is_answered(server: WebServer) -> None:
    assert ask(server)[0::2] == (200, b"here")
    assert ask(server, "/?x=1")[0] == 200
    assert [ask(server, path)[0] for path in ("/empty", "/no", "/../etc/passwd", "/%2e")] == [503, 404, 404, 404]
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "HEAD", "TRACE"):
        status, headers, _ = ask(server, method=method)
        assert (status, headers["Allow"]) == (405, "GET")


def test_every_answer_has_the_strict_headers(server: WebServer) -> None:
    for _, headers, _ in (
        ask(server),
        ask(server, "/no"),
        ask(server, Host="evil.example"),
        ask(server, method="POST"),
    ):
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert headers["Cache-Control"] == "no-store"
        assert "Access-Control-Allow-Origin" not in headers
        assert "Python" not in str(headers)


@pytest.mark.parametrize(
    ("host", "loopback", "remote"),
    [
        ("localhost:8480", True, True),
        ("LOCALHOST", True, True),
        ("127.0.0.1:9", True, True),
        ("[::1]:8480", True, True),
        ("192.168.1.5:8480", False, True),
        ("[fd00::1]", False, True),
        ("evil.example", False, False),
        ("localhost.evil.example", False, False),
        ("127.0.0.1.evil.example", False, False),
        ("", False, False),
        ("localhost:8480, evil.example", False, False),
        ("localhost@evil.example", False, False),
    ],
)
def test_a_name_that_could_be_rebound_is_refused(host: str, loopback: bool, remote: bool) -> None:
    assert host_allowed([host], allow_remote=False) is loopback
    assert host_allowed([host], allow_remote=True) is remote


def test_requests_of_other_sites_and_names_are_refused(server: WebServer) -> None:
    assert ask(server, Host="evil.example")[0] == 421
    assert ask(server, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="no-cors")[0] == 403
    assert ask(server, Sec_Fetch_Site="same-site", Sec_Fetch_Mode="cors")[0] == 403
    assert ask(server, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate")[0] == 200
    assert ask(server, Sec_Fetch_Site="same-origin", Sec_Fetch_Mode="cors")[0] == 200
    assert not host_allowed([], allow_remote=True)
    assert not host_allowed(["localhost", "localhost"], allow_remote=True)


@pytest.mark.slow
def test_silent_visitors_do_not_keep_others_out(server: WebServer) -> None:
    address = (server.listen.host, server.listen.port)
    silent = [socket.create_connection(address, timeout=10) for _ in range(3 * MAX_CONNECTIONS)]
    assert ask(server)[0] == 200
    # The oldest are cut; what is left of the others is given up in time.
    silent[0].settimeout(10)
    assert silent[0].recv(1) == b""
    for connection in silent:
        connection.close()


def test_what_is_no_request_harms_nobody(server: WebServer) -> None:
    address = (server.listen.host, server.listen.port)
    for data in (
        b"\x00" * 100_000,
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET\r\n\r\n",
        b"G" * 70_000 + b"\r\n",
        b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 500 + b"\r\n",
    ):
        with socket.create_connection(address, timeout=10) as connection:
            try:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass
            except OSError:
                pass  # cut off in the middle, which is right as well
    assert ask(server)[0] == 200


def browse(address: str, *options: str, folder: Path) -> str:
    """What headless Chromium prints."""
    if CHROMIUM is None:
        missing("chromium is not installed", "make system-packages")
    command = [
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--enable-logging=stderr",
    ]
    command += [f"--user-data-dir={folder / 'chromium'}", "--virtual-time-budget=4000", *options, address]
    result = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    assert "CONSOLE" not in result.stderr, result.stderr
    return result.stdout


def state(address: str) -> str:
    """What the page shows just now: the gateway makes a snapshot once per second."""
    with urllib.request.urlopen(f"{address}status.json", timeout=10) as answer:
        return str(json.loads(answer.read())["state"])


@pytest.mark.slow
def test_a_browser_shows_streams_alerts_and_faults_live(
    gateway: Gateway, mosquitto: Mosquitto, consume: Consume, tmp_path: Path
) -> None:
    port = free_port()
    gateway.configure('{ mqtt = "plant/+/raw" }')
    append(gateway, f'[status_page]\nlisten = "127.0.0.1:{port}"\n')
    consumer = consume("vedette/#")
    gateway.start()
    consumer.wait_online()
    for line in incident(1000.0)[:9]:
        consumer.publish("plant/pump1/raw", line)
    hostile = "<img src=x onerror=alert(1)>"
    consumer.publish(f"plant/{hostile}/raw", payload(1000.0, 1.0))
    wait_for(lambda: len(consumer.events) == 1, "the alert")
    address = f"http://127.0.0.1:{port}/"
    wait_for(lambda: state(address) == "online", "a snapshot of the connection")
    page = browse(address, "--dump-dom", folder=tmp_path)
    assert "<title>gw7 · vedette</title>" in page
    rows = re.findall(r"<tr>.*?</tr>", page.partition("<tbody>")[2].partition("</tbody>")[0], re.DOTALL)
    assert len(rows) == 2
    assert "s1/pump1" in rows[0] and '<span class="pill bad">alert</span>' in rows[0]
    assert "20.2" in rows[0] or "20.3" in rows[0], "the score against …"
    assert "9.00" in rows[0], "… its threshold"
    points = re.search(r'<polyline[^>]*points="([^"]*)"', rows[0])
    assert points is not None and len(points[1].split()) >= 2, "a chart that grows with each refresh"
    assert "onerror" not in page.replace("onerror%3Dalert", "")
    assert re.search(r'<ol id="alerts"[^>]*><li><span class="pill bad">new</span><strong>s1/pump1</strong>', page)
    assert re.search(r'<section id="faults"[^>]*hidden', page)
    # A fault appears by itself, and its reason is text.
    config = gateway.folder / "gateway.toml"
    config.write_text(config.read_text() + "\n[<b>bold</b>]\n")
    assert gateway.process is not None
    gateway.process.send_signal(1)
    wait_for(lambda: state(address) == "degraded", "the failed reload")
    page = browse(address, "--dump-dom", folder=tmp_path)
    assert "<title>degraded · gw7 · vedette</title>" in page
    assert re.search(r'<ul id="fault-list"><li>reload failed: ', page)
    screenshot = tmp_path / "page.png"
    browse(address, f"--screenshot={screenshot}", "--window-size=400,800", folder=tmp_path)
    assert screenshot.read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_visitors_do_not_slow_the_scoring_down_to_a_stop(
    gateway: Gateway, mosquitto: Mosquitto, consume: Consume
) -> None:
    port = free_port()
    gateway.configure('{ mqtt = "plant/+/raw" }')
    append(gateway, f'[status_page]\nlisten = "127.0.0.1:{port}"\n')
    consumer = consume("vedette/#")
    gateway.start()
    consumer.wait_online()
    silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
    for connection in silent:
        connection.sendall(b"GET /status.json HTTP/1.1\r\nHost: local")
    for line in incident(1000.0):
        consumer.publish("plant/pump1/raw", line)
    wait_for(lambda: len(consumer.events) == 2, "both steps of the alert")

    def samples() -> int:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/status.json", timeout=10) as answer:
            found: int = json.loads(answer.read())["counters"]["samples"]
            return found

    wait_for(lambda: samples() == 15, "a page beside the silent visitors")
    for connection in silent:
        connection.close()
