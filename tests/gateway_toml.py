"""A small gateway.toml for tests to change, and how it is read."""

from __future__ import annotations

from pathlib import Path

from vedette.runtime.config.gateway import GatewayConfig, load_gateway

MINIMAL = """
gateway = "gw7"
[mqtt]
host = "broker.local"
[[stream]]
name = "pump1"
bundle = "models/pump.vdt"
source = { mqtt = "plant/pump1/raw" }
"""


def load(folder: Path, text: str, **environ: str) -> GatewayConfig:
    path = folder / "gateway.toml"
    path.write_text(text)
    return load_gateway(path, environ=environ)
