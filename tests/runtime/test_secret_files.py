"""Where secrets come from, and that they stay secret."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from vedette.errors import ConfigError
from vedette.runtime.config.gateway import GatewayConfig, load_gateway

CONFIG = """
gateway = "gw7"
[mqtt]
host = "broker.local"
username = "gw7"
password_file = "mqtt-password"
tls = { cert = "gw7.pem", key = "gw7.key" }
[[stream]]
name = "s"
bundle = "b.vdt"
source = { stdin = true }
"""


def write(folder: Path, name: str, text: str, mode: int = 0o600) -> Path:
    path = folder / name
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    folder = tmp_path / "etc"
    folder.mkdir()
    for name in ("mqtt-password", "gw7.pem", "gw7.key"):
        write(folder, name, f"{name} in etc\n")
    write(folder, "gateway.toml", CONFIG)
    return folder


def load(etc: Path, **environ: str) -> GatewayConfig:
    return load_gateway(etc / "gateway.toml", environ=environ)


def test_a_credential_of_systemd_comes_before_the_file_of_the_same_name(etc: Path, tmp_path: Path) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    write(credentials, "mqtt-password", "from systemd\n", 0o400)
    assert load(etc).mqtt.password() == "mqtt-password in etc"
    config = load(etc, CREDENTIALS_DIRECTORY=str(credentials))
    assert config.mqtt.password() == "from systemd"
    assert config.mqtt.tls is not None
    assert config.mqtt.tls.key == etc / "gw7.key"


def test_a_credential_is_a_plain_name(etc: Path, tmp_path: Path) -> None:
    (tmp_path / "credentials" / "sub").mkdir(parents=True)
    write(tmp_path / "credentials" / "sub", "password", "wrong")
    path = etc / "gateway.toml"
    path.write_text(CONFIG.replace('"mqtt-password"', '"sub/password"'))
    with pytest.raises(ConfigError, match=re.escape(f"found none at {etc}/sub/password")):
        load(etc, CREDENTIALS_DIRECTORY=str(tmp_path / "credentials"))


def test_both_places_are_named_where_there_is_no_secret(etc: Path, tmp_path: Path) -> None:
    (etc / "mqtt-password").unlink()
    with pytest.raises(ConfigError, match=r"found none at /credentials/mqtt-password or .*/etc/mqtt-password"):
        load(etc, CREDENTIALS_DIRECTORY="/credentials")


@pytest.mark.parametrize(("name", "what"), [("mqtt-password", "password"), ("gw7.key", "key")])
@pytest.mark.parametrize("mode", [0o644, 0o602, 0o601])
def test_a_secret_that_others_can_touch_is_refused(etc: Path, name: str, what: str, mode: int) -> None:
    (etc / name).chmod(mode)
    with pytest.raises(ConfigError, match=f"everybody can read or change this {what}; try: chmod o-rwx"):
        load(etc)


def test_a_folder_that_we_may_not_enter_is_told(etc: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may enter every folder; try: as another user")
    path = etc / "locked"
    path.mkdir(mode=0o000)
    (etc / "gateway.toml").write_text(CONFIG.replace('"mqtt-password"', '"locked/password"'))
    with pytest.raises(ConfigError, match="Permission denied"):
        load(etc)


def test_no_secret_is_in_the_configurations_own_text(etc: Path) -> None:
    assert "in etc" not in repr(load(etc))
