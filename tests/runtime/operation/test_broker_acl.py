"""The ACL file at a real mosquitto: what is needed works, everything else is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from command import vedette
from conftest import Consumer, Gateway, Mosquitto, incident, wait_for
from pki import Certificates
from test_check import PASSWORD, password_file, secret

from vedette.errors import ConfigError
from vedette.runtime.config.gateway import load_gateway
from vedette.runtime.mqtt.connection import MqttConfig, TlsConfig
from vedette.runtime.operation.broker_acl import acl_file, gateway_user
from vedette.runtime.operation.checks.probe import Probe

INPUT = '{ mqtt = "plant/+/raw" }'
Consume = Callable[..., Consumer]
DENIED, DELIVERED, NOBODY = 0x87, 0x00, 0x10


def test_the_file_names_each_user_and_its_rights(gateway: Gateway, tmp_path: Path) -> None:
    config = gateway.configure(INPUT, mqtt=secret(tmp_path))
    printed = vedette("broker-acl", config, "--consumer", "dashboard")
    assert printed.code == 0
    rules = [line for line in printed.stdout.splitlines() if line and not line.startswith("#")]
    assert rules == [
        "user gw7",
        "topic write vedette/gw7/alert/#",
        "topic write vedette/gw7/status",
        "topic read vedette/gw7/ack",
        "topic read plant/+/raw",
        "user dashboard",
        "topic read vedette/gw7/alert/#",
        "topic read vedette/gw7/status",
        "topic write vedette/gw7/ack",
    ]


def test_with_discovery_its_topics_are_allowed_too(gateway: Gateway, tmp_path: Path) -> None:
    config = gateway.configure(INPUT, mqtt=secret(tmp_path))
    assert "state/#" not in acl_file(load_gateway(config))
    config.write_text(config.read_text() + '[discovery]\nhome_assistant = true\nprefix = "ha"\n')
    rules = acl_file(load_gateway(config)).splitlines()
    assert "topic write vedette/gw7/state/#" in rules
    assert "topic write ha/device/#" in rules


def test_a_gateway_without_a_name_is_refused(gateway: Gateway) -> None:
    refused = vedette("broker-acl", gateway.configure(INPUT))
    assert refused.code == ConfigError.exit_code
    assert "expected a username, or a client certificate" in refused.stderr


@pytest.mark.parametrize("name", ["two\nlines", " outer", "", "gw7"])
def test_a_consumer_that_the_file_cannot_carry_is_refused(gateway: Gateway, tmp_path: Path, name: str) -> None:
    config = load_gateway(gateway.configure(INPUT, mqtt=secret(tmp_path)))
    with pytest.raises(ConfigError):
        acl_file(config, [name])


def test_a_certificate_gives_the_name(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path)
    certificates.leaf("gw7-by-certificate", certificates.ca("ca"))
    tls = TlsConfig(None, tmp_path / "gw7-by-certificate.pem", tmp_path / "gw7-by-certificate.key")
    assert gateway_user(MqttConfig("host", 8883, tls, "client")) == "gw7-by-certificate"


@pytest.fixture
def guarded(gateway: Gateway, stopped_mosquitto: Mosquitto, tmp_path: Path) -> Gateway:
    """A gateway whose broker has the printed ACL and the users gw7, dashboard and stranger."""
    config = gateway.configure(INPUT, mqtt=secret(tmp_path))
    rights = vedette("broker-acl", config, "--consumer", "dashboard").stdout
    (tmp_path / "acl").write_text(rights + "\nuser device\ntopic write plant/pump1/raw\n")
    users = password_file(tmp_path, "gw7", "dashboard", "stranger", "device")
    stopped_mosquitto.write_config(f"password_file {users}\nacl_file {tmp_path}/acl")
    stopped_mosquitto.start()
    return gateway


def client(broker: Mosquitto, folder: Path, user: str) -> Probe:
    path = folder / f"password-of-{user}"
    path.write_text(PASSWORD)
    return Probe(MqttConfig(broker.host, broker.port, None, f"test-{user}", username=user, password_file=path))


@pytest.mark.slow
def test_alerts_go_from_device_to_consumer_and_acknowledgements_back(
    guarded: Gateway, stopped_mosquitto: Mosquitto, tmp_path: Path
) -> None:
    dashboard = client(stopped_mosquitto, tmp_path, "dashboard")
    device = client(stopped_mosquitto, tmp_path, "device")
    with dashboard, device:
        dashboard.subscribe("vedette/+/alert/#")
        dashboard.subscribe("vedette/gw7/status")
        guarded.start()
        guarded.wait_connected()
        for text in incident(1000.0):
            assert device.publish("plant/pump1/raw", text.encode(), expiry_s=60) == DELIVERED
        seen: set[str] = set()

        def told() -> bool:
            while not dashboard.messages.empty():
                seen.add(dashboard.messages.get())
            return {"vedette/gw7/alert/s1/pump1", "vedette/gw7/status"} <= seen

        wait_for(told, "the alert and the status")
        assert dashboard.publish("vedette/gw7/ack", b'{"ids": []}', expiry_s=60) == DELIVERED
    assert guarded.stop() == 0
    assert not guarded.logged("stay stored")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("user", "topic"),
    [
        ("gw7", "plant/pump1/raw"),
        ("gw7", "vedette/gw7/ack"),
        ("gw7", "vedette/gw8/alert/s1"),
        ("gw7", "vedette/gw7/feedback"),
        ("dashboard", "vedette/gw7/alert/s1"),
        ("dashboard", "vedette/gw7/status"),
        ("dashboard", "plant/pump1/raw"),
        ("stranger", "vedette/gw7/ack"),
        ("stranger", "vedette/gw7/alert/s1"),
    ],
)
def test_everything_else_is_denied(
    guarded: Gateway, stopped_mosquitto: Mosquitto, tmp_path: Path, user: str, topic: str
) -> None:
    with client(stopped_mosquitto, tmp_path, user) as probe:
        assert probe.publish(topic, b"x", expiry_s=1) == DENIED


@pytest.mark.slow
def test_messages_do_not_reach_who_has_no_right_to_them(
    guarded: Gateway, stopped_mosquitto: Mosquitto, tmp_path: Path
) -> None:
    gateway, stranger = client(stopped_mosquitto, tmp_path, "gw7"), client(stopped_mosquitto, tmp_path, "stranger")
    with gateway, stranger, client(stopped_mosquitto, tmp_path, "dashboard") as dashboard:
        for probe in (gateway, stranger, dashboard):
            probe.subscribe("#")
        for topic in ("vedette/gw7/alert/s1", "vedette/gw7/status"):
            assert gateway.publish(topic, b"x", expiry_s=60) in (DELIVERED, NOBODY)
        assert dashboard.publish("vedette/gw7/ack", b"x", expiry_s=60) in (DELIVERED, NOBODY)
        wait_for(lambda: not gateway.messages.empty(), "the acknowledgement")
        assert gateway.messages.get() == "vedette/gw7/ack"
        assert {dashboard.messages.get(), dashboard.messages.get()} == {"vedette/gw7/alert/s1", "vedette/gw7/status"}
        for probe in (gateway, stranger, dashboard):
            assert probe.messages.empty()
