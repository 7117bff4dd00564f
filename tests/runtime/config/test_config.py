"""gateway.toml: what it may say, and how a mistake is told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from gateway_toml import MINIMAL, load

from vedette.errors import ConfigError
from vedette.runtime.alerting.alerts import AlertPolicy
from vedette.runtime.config.gateway import broker_config, load_broker, load_gateway


def test_the_smallest_file_gives_tls_and_safe_defaults(tmp_path: Path) -> None:
    config = load(tmp_path, MINIMAL)
    assert (config.mqtt.host, config.mqtt.port) == ("broker.local", 8883)
    assert config.mqtt.tls is not None
    assert config.mqtt.client_id == "vedette-gw7"
    assert config.outbox_path == Path("/var/lib/vedette/outbox.db")
    assert config.streams[0].bundle == tmp_path / "models/pump.vdt"
    assert config.streams[0].alert.apply(AlertPolicy(2, 3.0, 4.0)) == AlertPolicy(2, 3.0, 4.0)


def test_a_stream_replaces_parts_of_the_bundles_alert_policy(tmp_path: Path) -> None:
    config = load(tmp_path, MINIMAL + "alert = { min_windows = 5, cooldown_s = 0 }\n")
    assert config.streams[0].alert.apply(AlertPolicy(2, 3.0, 4.0)) == AlertPolicy(5, 3.0, 0.0)


def test_drop_ins_add_streams_and_replace_values_in_order_of_their_names(tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "10-host.toml").write_text('[mqtt]\nhost = "ten"\nport = 10\n')
    (tmp_path / "conf.d" / "20-host.toml").write_text('[mqtt]\nhost = "twenty"\n')
    (tmp_path / "conf.d" / "30.toml").write_text('[[stream]]\nname="b"\nbundle="/b.vdt"\nsource={ stdin = true }\n')
    config = load(tmp_path, MINIMAL)
    assert (config.mqtt.host, config.mqtt.port) == ("twenty", 10)
    assert [stream.name for stream in config.streams] == ["pump1", "b"]
    assert config.streams[1].bundle == Path("/b.vdt")


def test_the_environment_wins_over_the_files(tmp_path: Path) -> None:
    config = load(
        tmp_path, MINIMAL, VEDETTE_MQTT_HOST="localhost", VEDETTE_MQTT_TLS="false", VEDETTE_OUTBOX_MAX_MB="8", HOME="/"
    )
    assert (config.mqtt.host, config.mqtt.port, config.mqtt.tls) == ("localhost", 1883, None)
    assert config.outbox_max_bytes == 8 * 2**20


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("VEDETTE_MQTT_HOTS", "x", 'did you mean "VEDETTE_MQTT_HOST"'),
        ("VEDETTE_MQTT_PORT", "many", "expected a whole number, found 'many'"),
        ("VEDETTE_MQTT_TLS", "maybe", "expected true or false, found 'maybe'"),
    ],
)
def test_a_mistake_in_the_environment_is_told(tmp_path: Path, name: str, value: str, told: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(told)):
        load(tmp_path, MINIMAL, **{name: value})


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3", "::1"])
def test_plaintext_is_allowed_to_this_machine(tmp_path: Path, host: str) -> None:
    config = load(tmp_path, MINIMAL.replace('"broker.local"', f'"{host}"\ntls = false'))
    assert (config.mqtt.tls, config.mqtt.port) == (None, 1883)


def test_plaintext_to_another_machine_must_be_said_in_so_many_words(tmp_path: Path) -> None:
    text = MINIMAL.replace('"broker.local"', '"broker.local"\ntls = false')
    with pytest.raises(ConfigError, match="plaintext"):
        load(tmp_path, text)
    assert load(tmp_path, text.replace("tls = false", "tls = false\nallow_plaintext = true")).mqtt.tls is None


def test_certificates_are_found_beside_the_file(tmp_path: Path) -> None:
    for name in ("ca.pem", "gw7.pem", "gw7.key"):
        (tmp_path / name).touch(mode=0o600)
    text = MINIMAL.replace(
        '"broker.local"', '"broker.local"\ntls = { ca = "ca.pem", cert = "gw7.pem", key = "gw7.key" }'
    )
    tls = load(tmp_path, text).mqtt.tls
    assert tls is not None
    assert (tls.ca, tls.cert, tls.key) == tuple(tmp_path / name for name in ("ca.pem", "gw7.pem", "gw7.key"))


def test_a_password_that_everybody_can_read_is_refused(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("secret\n")
    password.chmod(0o644)
    text = MINIMAL.replace('"broker.local"', '"broker.local"\nusername = "gw7"\npassword_file = "password"')
    with pytest.raises(ConfigError, match="chmod o-rwx"):
        load(tmp_path, text)
    password.chmod(0o640)
    assert load(tmp_path, text).mqtt.password() == "secret"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('gateway = "gw7"', "", "gateway: expected str"),
        ('gateway = "gw7"', 'gateway = "gw/7"', "becomes part of a topic"),
        ('gateway = "gw7"', 'gateway = "gw7"\ninterpreter = "tflite-runtim"', 'did you mean "tflite-runtime"'),
        ("[mqtt]", "[mqtt]\nhots = 1", 'did you mean "host"'),
        ('host = "broker.local"', "", "host: expected str"),
        ("[mqtt]", "[mqtt]\nport = 99999", "expected 1 to 65535, found 99999"),
        ("[mqtt]", '[mqtt]\nversion = "4"', 'expected "auto", "5" or "3.1.1"'),
        ("[mqtt]", '[mqtt]\ntls = { ca = "nowhere.pem" }', "found none at"),
        ("[mqtt]", '[mqtt]\npassword_file = "gateway.toml"', "expected a username"),
        ("[mqtt]", "[outbox]\nmax_mb = 1\n[mqtt]", "expected 4 to"),
        ("[mqtt]", '[trust]\npublic_keys = ["RWQ"]\n[mqtt]', "cannot check signatures"),
        ("[mqtt]", '[trust]\nallow_unsigned = "yes"\n[mqtt]', "expected bool"),
        ("[[stream]]", "[[streams]]", 'did you mean "stream"'),
        ('name = "pump1"', 'name = "pump 1"', "becomes part of a topic"),
        ('name = "pump1"', 'name = "pump1"\nbundel = 1', 'did you mean "bundle"'),
        ('source = { mqtt = "plant/pump1/raw" }', "source = { mqqt = 'a' }", 'did you mean "mqtt"'),
        ('source = { mqtt = "plant/pump1/raw" }', "source = { mqtt = 'a', stdin = true }", "expected one kind"),
        ('source = { mqtt = "plant/pump1/raw" }', "source = { mqtt = 'plant/#' }", "single whole level +"),
        ('source = { mqtt = "plant/pump1/raw" }', "source = { mqtt = '+/+/raw' }", "single whole level +"),
        ('source = { mqtt = "plant/pump1/raw" }', "source = { mqtt = 'a+/raw' }", "single whole level +"),
        ('source = { mqtt = "plant/pump1/raw" }', "source = { mqtt = '$SYS/a' }", "expected a topic"),
        ('source = { mqtt = "plant/pump1/raw" }', "source = { mqtt = 'a', format = 'xml' }", 'expected "json"'),
        ('source = { mqtt = "plant/pump1/raw" }', "source = { file = 'none.csv' }", "expected a CSV file"),
        ('source = { mqtt = "plant/pump1/raw" }', "source = { stdin = false }", "expected true"),
        ('source = { mqtt = "plant/pump1/raw" }', "source = { stdin = true, realtime = 1 }", 'unknown key "realtime"'),
        ('source = { mqtt = "plant/pump1/raw" }', "source = 'mqtt'", "expected an object, found str"),
        ("gateway =", "gateway", "not valid TOML"),
        ('gateway = "gw7"', "gateway = " + "9" * 5000, "not valid TOML"),
        ('gateway = "gw7"', "gateway = " + "[" * 5000, "nested too deeply"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert old in MINIMAL
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, MINIMAL.replace(old, new))
    assert told in str(caught.value)
    assert str(tmp_path / "gateway.toml") in str(caught.value)


@pytest.mark.parametrize(
    ("name", "source", "told"),
    [
        ("pump1", "{ mqtt = 'other' }", 'the name "pump1" is given 2 times'),
        ("b", "{ mqtt = 'plant/+/raw' }", "overlap"),
    ],
)
def test_streams_that_get_in_each_others_way_are_refused(tmp_path: Path, name: str, source: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        load(tmp_path, MINIMAL + f'[[stream]]\nname = "{name}"\nbundle = "b"\nsource = {source}\n')


def test_two_streams_may_read_one_topic(tmp_path: Path) -> None:
    more = '[[stream]]\nname = "b"\nbundle = "b"\nsource = { mqtt = "plant/pump1/raw" }\n'
    assert len(load(tmp_path, MINIMAL + more).streams) == 2


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_gateway(tmp_path / "none.toml", environ={})


def test_another_client_takes_only_the_broker_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text('[mqtt]\nhost = "broker.local"\n')
    broker = load_broker(path, client_id="watcher", environ={})
    assert (broker.host, broker.client_id) == ("broker.local", "watcher")


@pytest.mark.parametrize(
    ("address", "host", "port", "tls"),
    [
        ("localhost", "localhost", 1883, False),
        ("127.0.0.1:1999", "127.0.0.1", 1999, False),
        ("[::1]:1999", "::1", 1999, False),
        ("broker.local", "broker.local", 8883, True),
        ("broker.local:1883", "broker.local", 1883, True),
    ],
)
def test_a_broker_is_given_as_host_and_port(address: str, host: str, port: int, tls: bool) -> None:
    broker = broker_config(address, client_id="a")
    assert (broker.host, broker.port, broker.tls is not None) == (host, port, tls)


def test_a_broker_without_a_host_is_refused() -> None:
    with pytest.raises(ConfigError, match="host:port"):
        broker_config(":1883", client_id="a")
