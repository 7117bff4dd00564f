"""`vedette check` with a real broker: what is wrong is found, named, and nothing secret is shown."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import MOSQUITTO, Gateway, Mosquitto, payload, wait_for
from pki import Certificates
from required import missing

pytestmark = pytest.mark.slow
INPUT = '{ mqtt = "plant/pump1/raw" }'
PASSWORD = "hunter2-and-a-half"


class Checked:
    """What the command left."""

    def __init__(self, config: Path, *options: str) -> None:
        command = [sys.executable, "-m", "vedette", "check", config, "--json", *options]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert PASSWORD not in done.stdout + done.stderr
        assert "PRIVATE KEY" not in done.stdout + done.stderr
        self.code = done.returncode
        self.document: dict[str, Any] = json.loads(done.stdout)

    def texts(self, state: str, check: str | None = None) -> list[str]:
        return [
            f"{found['text']}; try: {found['remedy']}"
            for found in self.document["findings"]
            if found["state"] == state and check in (None, found["check"])
        ]

    def failed_with(self, words: str) -> None:
        assert self.code == 1
        assert self.document["ok"] is False
        assert len(self.texts("fail")) == 1, self.document
        assert words in self.texts("fail")[0]


def password_file(folder: Path, *users: str) -> Path:
    """mosquitto's own file of users, all with the same password."""
    tool = shutil.which("mosquitto_passwd") or str(Path(MOSQUITTO).parent.parent / "bin" / "mosquitto_passwd")
    if not Path(tool).exists():
        missing("mosquitto_passwd is not installed", "make system-packages")
    path = folder / "users"
    path.touch()
    for user in users:
        subprocess.run([tool, "-b", path, user, PASSWORD], check=True, capture_output=True)
    return path


def secret(folder: Path, text: str = PASSWORD) -> str:
    """The gateway's part of the configuration that names the password."""
    path = folder / "password"
    path.write_text(text + "\n")
    path.chmod(0o600)
    return 'username = "gw7"\npassword_file = "password"'


@pytest.fixture
def pki(tmp_path: Path) -> Certificates:
    certificates = Certificates(tmp_path)
    ca = certificates.ca("ca")
    certificates.leaf("broker", ca)
    certificates.leaf("gw7", ca)
    certificates.leaf("old", ca, days=-1)
    certificates.ca("stranger")
    return certificates


def secured(gateway: Gateway, tls: str) -> Path:
    """The gateway's configuration with this tls table instead of plaintext."""
    path = gateway.configure(INPUT)
    path.write_text(path.read_text().replace("tls = false", f"tls = {tls}"))
    return path


def test_a_good_gateway_passes_and_a_consumer_is_not_disturbed(
    gateway: Gateway, mosquitto: Mosquitto, consume: Any
) -> None:
    consumer = consume("vedette/#")
    found = Checked(gateway.configure(INPUT))
    assert found.code == 0, found.document
    assert found.document["ok"] is True
    oks = "\n".join(found.texts("ok"))
    for words in ("checksums match", "self-test ok", "connected with MQTT 5", "somebody listens", "outbox.db: free"):
        assert words in oks
    warnings = "\n".join(found.texts("warn"))
    assert "unsigned" in warnings
    assert "no sample came" in warnings
    assert {topic for topic, _ in consumer.seen} == {"vedette/gw7/alert/s1"}
    assert [json.loads(content)["type"] for _, content in consumer.seen] == ["io.vedette.check"]
    assert not list(gateway.folder.glob("outbox*")), "a check leaves nothing behind"


def test_a_stream_that_does_not_fit_its_bundle_is_told(gateway: Gateway) -> None:
    config = gateway.configure('{ mqtt = "plant/pump1/raw", units = { nothing = "mm" } }')
    found = Checked(config)
    assert found.code != 0
    assert any('the bundle has no channel "nothing"' in text for text in found.texts("fail"))


def test_a_check_that_must_not_publish_does_not(gateway: Gateway, mosquitto: Mosquitto, consume: Any) -> None:
    consumer = consume("vedette/#")
    assert Checked(gateway.configure(INPUT), "--no-publish").code == 0
    assert consumer.seen == []


def test_listen_does_not_speak_of_a_check(gateway: Gateway, mosquitto: Mosquitto) -> None:
    command = [sys.executable, "-m", "vedette", "listen", "--broker", f"{mosquitto.host}:{mosquitto.port}"]
    with subprocess.Popen(
        [*command, "--timeout", "12", "--client-id", "l"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as listener:
        assert listener.stderr is not None
        line = listener.stderr.readline()
        assert "connected" in line
        wait_for(
            lambda: "somebody listens" in "\n".join(Checked(gateway.configure(INPUT)).texts("ok")), "the subscription"
        )
        stdout, stderr = listener.communicate(timeout=60)
    assert (stdout, stderr) == ("", "")


def test_a_running_gateway_keeps_its_connection(gateway: Gateway, mosquitto: Mosquitto, consume: Any) -> None:
    consumer = consume("vedette/#")
    config = gateway.configure(INPUT)
    gateway.start()
    gateway.wait_connected()
    wait_for(lambda: any("counters" in status for status in consumer.statuses()), "a status")
    assert Checked(config).code == 0
    assert gateway.log.read_text().count("connected to") == 1
    assert not gateway.logged("no connection")
    assert gateway.stop() == 0


def test_samples_that_arrive_are_told(gateway: Gateway, mosquitto: Mosquitto, consume: Any) -> None:
    consumer = consume("vedette/#")
    config = gateway.configure('{ mqtt = "plant/+/raw" }')
    command = [sys.executable, "-m", "vedette", "check", config]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as check:
        while check.poll() is None:
            consumer.publish("plant/pump1/raw", payload(None, 1.0))
        assert check.stdout is not None
        lines = check.stdout.read()
    assert "samples arrive on plant/+/raw" in lines
    assert "may publish to vedette/gw7/alert/s1/check" in lines


def test_a_wrong_port_is_told(gateway: Gateway, stopped_mosquitto: Mosquitto) -> None:
    Checked(gateway.configure(INPUT)).failed_with("Connection refused; try: look at [mqtt] host and port")


def test_a_wrong_password_is_told(gateway: Gateway, stopped_mosquitto: Mosquitto, tmp_path: Path) -> None:
    stopped_mosquitto.write_config(f"password_file {password_file(tmp_path, 'gw7')}")
    stopped_mosquitto.start()
    assert Checked(gateway.configure(INPUT, mqtt=secret(tmp_path))).code == 0
    wrong = gateway.configure(INPUT, mqtt=secret(tmp_path, "wrong"))
    Checked(wrong).failed_with("the broker does not know them")
    Checked(gateway.configure(INPUT)).failed_with("the broker lets nobody in without")


def test_denied_publishing_is_told(gateway: Gateway, stopped_mosquitto: Mosquitto, tmp_path: Path) -> None:
    (tmp_path / "acl").write_text("user gw7\ntopic read vedette/gw7/ack\ntopic read plant/pump1/raw\n")
    stopped_mosquitto.write_config(f"password_file {password_file(tmp_path, 'gw7')}\nacl_file {tmp_path}/acl")
    stopped_mosquitto.start()
    found = Checked(gateway.configure(INPUT, mqtt=secret(tmp_path)))
    found.failed_with("may not publish to vedette/gw7/alert/s1 (0x87); try: vedette broker-acl")


@pytest.mark.parametrize(
    ("files", "told"),
    [
        (('{ ca = "stranger.pem" }', "broker"), "not signed by a CA that we trust; set ca"),
        (("true", "broker"), "not signed by a CA that we trust; set ca"),
        (('{ ca = "ca.pem" }', "old"), "it has expired; renew it"),
    ],
)
def test_a_broker_that_cannot_be_trusted_is_told(
    gateway: Gateway, stopped_mosquitto: Mosquitto, pki: Certificates, files: tuple[str, str], told: str
) -> None:
    tls, broker = files
    stopped_mosquitto.write_config("allow_anonymous true\n" + pki.listener(broker))
    stopped_mosquitto.start()
    config = secured(gateway, tls)
    Checked(config).failed_with(told)
    gateway.start()
    wait_for(lambda: gateway.logged(told.split(";", maxsplit=1)[0]), "the gateway to say so too")
    assert gateway.stop() == 0


@pytest.mark.parametrize(
    ("client", "told"),
    [
        ("", "the broker wants a client certificate; set cert and key"),
        ('cert = "old.pem", key = "old.key"', "our client certificate has expired; renew it"),
        ('cert = "stranger.pem", key = "stranger.key"', "the broker does not know the CA of our client certificate"),
    ],
)
def test_a_client_certificate_that_the_broker_wants_is_told(
    gateway: Gateway, stopped_mosquitto: Mosquitto, pki: Certificates, client: str, told: str
) -> None:
    stopped_mosquitto.write_config("allow_anonymous true\n" + pki.listener(client_certificates=True))
    stopped_mosquitto.start()
    good = Checked(secured(gateway, '{ ca = "ca.pem", cert = "gw7.pem", key = "gw7.key" }'))
    assert good.code == 0, good.document
    assert "TLSv1.3, the certificates are good" in "\n".join(good.texts("ok"))
    found = Checked(secured(gateway, f'{{ ca = "ca.pem", {client} }}' if client else '{ ca = "ca.pem" }'))
    assert found.code == 1
    assert told in "\n".join(found.texts("fail", "broker"))
    gateway.start()
    wait_for(lambda: gateway.logged(told), "the gateway to say so too")
    assert gateway.stop() == 0


def test_tls_to_a_plaintext_port_and_plaintext_to_tls_are_told(
    gateway: Gateway, stopped_mosquitto: Mosquitto, pki: Certificates
) -> None:
    stopped_mosquitto.start()
    Checked(secured(gateway, '{ ca = "ca.pem" }')).failed_with("one side speaks TLS and the other plaintext")
    stopped_mosquitto.kill()
    stopped_mosquitto.write_config("allow_anonymous true\n" + pki.listener())
    stopped_mosquitto.start()
    Checked(gateway.configure(INPUT)).failed_with("one side speaks TLS and the other plaintext")


def test_a_certificate_that_ends_soon_is_told(
    gateway: Gateway, stopped_mosquitto: Mosquitto, pki: Certificates
) -> None:
    pki.leaf("gw7", pki._subject("ca"), days=3)
    stopped_mosquitto.write_config("allow_anonymous true\n" + pki.listener(client_certificates=True))
    stopped_mosquitto.start()
    found = Checked(secured(gateway, '{ ca = "ca.pem", cert = "gw7.pem", key = "gw7.key" }'))
    assert found.code == 0
    assert any("gw7.pem: CN=gw7 expires on" in text for text in found.texts("warn"))


def test_a_damaged_bundle_is_told(gateway: Gateway, mosquitto: Mosquitto) -> None:
    broken = gateway.folder / "broken.vdt"
    data = bytearray(gateway.bundle.read_bytes())
    data[len(data) // 2] ^= 1
    broken.write_bytes(data)
    gateway.bundle = broken
    Checked(gateway.configure(INPUT)).failed_with("vedette inspect")


def test_files_that_everybody_can_change_are_told(gateway: Gateway, mosquitto: Mosquitto) -> None:
    config = gateway.configure(INPUT)
    config.chmod(0o666)
    Checked(config).failed_with(f"{config}: everybody can change it; try: chmod o-w {config}")
    config.chmod(0o644)
    loose = gateway.folder / "loose.vdt"
    shutil.copy(gateway.bundle, loose)
    loose.chmod(0o666)
    gateway.bundle = loose
    Checked(gateway.configure(INPUT)).failed_with("everybody can replace the model")


def test_an_outbox_that_has_no_place_is_told(gateway: Gateway, mosquitto: Mosquitto) -> None:
    config = gateway.configure(INPUT)
    (gateway.folder / "file").touch()
    config.write_text(config.read_text().replace('"outbox.db"', '"file/outbox.db"'))
    Checked(config).failed_with("expected a file in a folder")
    config.write_text(config.read_text().replace('"file/outbox.db"', '"outbox.db"\nmax_mb = 1000000'))
    found = Checked(config)
    assert found.code == 0
    assert any("the disk will be full before the quota is" in text for text in found.texts("warn"))


def test_a_bad_configuration_ends_the_check(gateway: Gateway, stopped_mosquitto: Mosquitto, tmp_path: Path) -> None:
    config = gateway.configure(INPUT, mqtt=secret(tmp_path))
    (tmp_path / "password").chmod(0o644)
    Checked(config).failed_with("everybody can read or change this password; try: chmod o-rwx")
    Checked(gateway.configure(INPUT, mqtt=f'password = "{PASSWORD}"')).failed_with('did you mean "password_file"')
