"""What `vedette inspect` shows of a bundle."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command import vedette
from tiny import CHANNELS, SIGNAL, WINDOW, tiny_bundle_bytes, tiny_model

from vedette.runtime.bundles import bundle as bundles
from vedette.runtime.bundles.inspection import describe, sheet

CALIBRATION = {
    "budget": {"false_alarms_per_day": 0.1},
    "supported": False,
    "interval": [1.0, 2.5],
    "normal_samples": 12_345,
}
ACCURACY = {"int8_auc_roc": 0.91234, "float_auc_roc": 0.92}
ODD: list[Any] = [None, 1, "x", [], {}, [1, 2, 3], {"a": 1}]


def description(**changes: object) -> dict[str, Any]:
    return describe(bundles.unpack(tiny_bundle_bytes(**changes)))


def test_the_contracted_keys_are_there_and_json(tiny_bundle: Path) -> None:
    outcome = vedette("inspect", tiny_bundle, "--json")
    assert outcome.code == 0
    found = json.loads(outcome.stdout)
    assert found["name"] == "tiny"
    assert (found["window"], found["stride"], found["threshold"]) == (WINDOW, 1, 9.0)
    assert found["channels"] == list(CHANNELS)
    assert found["model_bytes"] == len(tiny_model())
    assert found["sha256"] == bundles.read(tiny_bundle).sha256
    assert "board" in found


def test_the_sheet_is_for_people(tiny_bundle: Path) -> None:
    outcome = vedette("inspect", tiny_bundle)
    assert outcome.code == 0
    assert "tiny 1 (sequence 1), not signed" in outcome.stdout
    assert "x, y, z" in outcome.stdout
    assert "one sample every 1 s" in outcome.stdout
    assert len(outcome.stdout.splitlines()) < 15


def test_the_sheet_names_the_grid_of_irregular_samples() -> None:
    text = sheet(description(signal=replace(SIGNAL, resampled=True)))
    assert "4 samples, stride 1, resampled to one row every 1 s" in text


def test_the_sheet_says_how_the_threshold_was_found_and_what_int8_cost() -> None:
    text = sheet(description(calibration=CALIBRATION, accuracy=ACCURACY))
    assert "false_alarms_per_day = 0.1, extrapolated beyond the data; 90% interval 1 to 2.5; 12,345 scores" in text
    assert "0.912 int8, 0.920 float; injected anomalies" in text


@pytest.mark.parametrize("key", [*CALIBRATION, *ACCURACY])
def test_what_is_carried_for_people_only_may_be_anything(key: str) -> None:
    section, field = (CALIBRATION, "calibration") if key in CALIBRATION else (ACCURACY, "accuracy")
    for odd in ODD:
        text = sheet(description(**{field: {**section, key: odd}}))
        assert "threshold" in text
        assert "sha256" in text
