"""The project file: what is wrong with it is told by key, with the nearest valid word, before anything is done."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import Refused

from vedette.errors import ConfigError, DataError

CSV = "time,x,y,z\n" + "".join(f"{row},{row % 7},{row % 5},{row % 3}\n" for row in range(400))

CONFIGS: dict[str, tuple[str, list[str]]] = {
    "an unknown section": ("[signals]\nwindow = 8", ['unknown key "signals"', 'did you mean "signal"']),
    "an unknown key": ("[signal]\nwindw = 8", ["signal", 'unknown key "windw"', 'did you mean "window"']),
    "an unknown model kind": ('[model]\nkind = "vea"', ["model: kind", 'did you mean "vae"', "conv_vae, auto"]),
    "an unknown policy": ('[signal]\nmissing = "hodl"', ["signal: missing", 'did you mean "hold"']),
    "an unknown channel": ('[signal]\nchannels = ["x", "yy"]', ['no channel "yy"', "did you mean"]),
    "an unknown timestamp": ('[signal]\ntimestamp = "tme"', ['no column "tme"', 'did you mean "time"']),
    "a unit of an unknown channel": ('[signal]\nunits = { xx = "mm/s" }', ['signal.units: no channel "xx"']),
    "a label as channel": ('[signal]\nchannels = ["label"]', ['"label" is never a channel']),
    "no channel": ("[signal]\nchannels = []", ["signal: channels: expected one channel or more"]),
    "a channel twice": ('[signal]\nchannels = ["x", "x"]', ["signal: channels: expected different words"]),
    "channels that are no words": ("[signal]\nchannels = [1, 2]", ["channels: expected a list of words"]),
    "a word for a number": ('[signal]\nwindow = "16"', ["signal: window: expected a whole number"]),
    "a fraction for a count": ("[signal]\nwindow = 1.5", ['window: expected a whole number or "auto", found 1.5']),
    "no word that a window may be": ('[signal]\nwindow = "atuo"', ["found 'atuo'", 'did you mean "auto"']),
    "no word that a size may be": ('[model]\nlatent = "ato"', ["model: latent", 'did you mean "auto"']),
    "no word at all for a size": ('[model]\nhidden = "large"', ['a whole number or "auto"', "valid: auto"]),
    "auto for what is not searched": ('[signal]\nstride = "auto"', ["stride: expected a whole number, found 'auto'"]),
    "auto in a list": ('[model]\nkind = ["auto"]', ["model: kind: unknown value"]),
    "true for a number": ("[model]\nlatent = true", ["latent: expected a whole number"]),
    "a window of one": ("[signal]\nwindow = 1", ["signal: window: expected 2 to"]),
    "a stride of nothing": ("[signal]\nstride = 0", ["signal: stride: expected 1 to"]),
    "a network of a billion units": ("[model]\nhidden = 1000000000", ["model: hidden: expected 1 to 4096"]),
    "a negative seed": ("[model]\nseed = -1", ["model: seed"]),
    "two budgets": ("[threshold]\nquantile = 0.99\nfalse_alarms_per_day = 1", ["threshold: expected one budget"]),
    "a budget of nothing": ("[threshold]\nfalse_alarms_per_day = 0", ["above 0 (no threshold keeps 0)"]),
    "a budget that is not a number": ("[threshold]\nfalse_alarms_per_day = nan", ["false_alarms_per_day"]),
    "an endless gap": ("[signal]\nmax_gap_s = inf", ["max_gap_s"]),
    "a negative time": ("[alert]\nclear_after_s = -1.0", ["alert: clear_after_s: expected 0 or more"]),
    "a name that is a path": ('name = "../pump"', ["name: expected up to 64 letters"]),
    "a huge number": ("sequence = 99999999999999999999999999", ["sequence"]),
    "no TOML": ("window: 16", ["not valid TOML"]),
    "TOML nested deep": ("x = " + "[" * 5000 + "]" * 5000, ["not valid TOML"]),
    "half a line": ("[signal]\nwindow =", ["not valid TOML"]),
    "a key for a section": ("signal = 5", ["expected a [signal] section"]),
}


@pytest.mark.parametrize("what", CONFIGS)
def test_a_wrong_project_file_is_refused(what: str, refused: Refused, tmp_path: Path) -> None:
    text, messages = CONFIGS[what]
    config, data = tmp_path / "vedette.toml", tmp_path / "data.csv"
    config.write_text(text)
    data.write_text(CSV)
    error = DataError if what in {"an unknown channel", "an unknown timestamp"} else ConfigError
    refused(error, messages, "train", data, "-c", config, "-o", tmp_path / "model")


@pytest.mark.parametrize(("path", "message"), [("none.toml", "No such file"), (".", "Is a directory")])
def test_a_project_file_that_cannot_be_read_is_refused(
    path: str, message: str, refused: Refused, tmp_path: Path
) -> None:
    (tmp_path / "data.csv").write_text(CSV)
    refused(ConfigError, [message], "train", tmp_path / "data.csv", "-c", tmp_path / path, "-o", tmp_path / "model")


def test_a_project_file_in_another_encoding_is_refused(refused: Refused, tmp_path: Path) -> None:
    config = tmp_path / "vedette.toml"
    config.write_bytes('name = "Pümpe"'.encode("latin-1"))
    (tmp_path / "data.csv").write_text(CSV)
    refused(ConfigError, ["not valid TOML"], "train", tmp_path / "data.csv", "-c", config, "-o", tmp_path / "model")


def test_a_budget_in_days_without_a_time_base_is_refused_with_the_remedies(refused: Refused, tmp_path: Path) -> None:
    config, data = tmp_path / "vedette.toml", tmp_path / "data.csv"
    config.write_text("[threshold]\nfalse_alarms_per_day = 1")
    data.write_text("x\n" + "".join(f"{row % 7}\n" for row in range(400)))
    says = ["needs a time base", "signal.sample_period_s", "false_alarms_per_10k_samples"]
    refused(ConfigError, says, "train", data, "-c", config, "-o", tmp_path / "model")
