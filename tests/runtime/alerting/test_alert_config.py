"""The alert, faults and alerts tables of gateway.toml."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from gateway_toml import MINIMAL, load
from tiny import SIGNAL

from vedette.errors import ConfigError
from vedette.runtime.alerting.alert_config import check_fault_channels
from vedette.runtime.alerting.alerts import AlertPolicy
from vedette.runtime.alerting.faults import FaultPolicy
from vedette.runtime.config.gateway import GatewayConfig


def stream(folder: Path, text: str) -> GatewayConfig:
    return load(folder, MINIMAL + text)


def test_the_whole_alert_policy_can_be_replaced(tmp_path: Path) -> None:
    text = "alert = { min_windows = 3, of_windows = 5, clear_ratio = 0.8, clear_after_s = 9, cooldown_s = 8 }"
    found = stream(tmp_path, text).streams[0].alert.apply(AlertPolicy(2, 3.0, 4.0))
    assert found == AlertPolicy(3, 9.0, 8.0, 5, 0.8)


def test_min_windows_alone_means_in_a_row_whatever_the_bundle_says(tmp_path: Path) -> None:
    bundles = AlertPolicy(2, 3.0, 4.0, of_windows=6)
    assert stream(tmp_path, "alert = { min_windows = 4 }").streams[0].alert.apply(bundles).span == 4
    assert stream(tmp_path, "alert = { cooldown_s = 1 }").streams[0].alert.apply(bundles).span == 6


def test_faults_are_looked_for_by_default_and_can_be_set(tmp_path: Path) -> None:
    assert stream(tmp_path, "").streams[0].faults == FaultPolicy()
    text = 'faults = { silent_after_s = 30, flat_after_samples = 600, range = { t = [-40, 125.5] }, off = ["missing"] }'
    found = stream(tmp_path, text).streams[0].faults
    assert found == FaultPolicy(30.0, 600, {"t": (-40.0, 125.5)}, frozenset({"missing"}))


def test_the_cap_has_a_default_and_can_be_set_from_the_environment(tmp_path: Path) -> None:
    assert load(tmp_path, MINIMAL).max_alerts_per_hour == 200
    assert load(tmp_path, MINIMAL + "[alerts]\nmax_per_hour = 9\n").max_alerts_per_hour == 9
    assert load(tmp_path, MINIMAL, VEDETTE_ALERTS_MAX_PER_HOUR="7").max_alerts_per_hour == 7


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("alert = { min_windows = 4, of_windows = 3 }", "of_windows: expected min_windows with it, of at most 3"),
        ("alert = { of_windows = 3 }", "of_windows: expected min_windows with it"),
        ("alert = { clear_ratio = 1.1 }", "clear_ratio: expected a number in (0, 1], found 1.1"),
        ("alert = { clear_ratio = 0 }", "clear_ratio: expected a number"),
        ("alert = { min_window = 3 }", 'unknown key "min_window"; did you mean "min_windows"'),
        ("faults = { silent_after = 3 }", 'unknown key "silent_after"; did you mean "silent_after_s"'),
        ("faults = { silent_after_s = 0 }", "silent_after_s: expected a number of at least 1"),
        ("faults = { flat_after_samples = 1 }", "flat_after_samples: expected 2 to"),
        ('faults = { off = ["falt"] }', 'off: unknown fault "falt"; did you mean "flat"'),
        ("faults = { range = { t = [5] } }", "range: t: expected [low, high], found [5]"),
        ("faults = { range = { t = [5, 5] } }", "range: t: expected [low, high]"),
        ("faults = { range = { t = 5 } }", "range: t: expected [low, high]"),
        ("[alerts]\nmax_per_hour = 0", "max_per_hour: expected 1 to 100000, found 0"),
        ("[alerts]\nper_hour = 9", 'unknown key "per_hour"; did you mean "max_per_hour"'),
        ("[maintenance]\nstart = 2026-01-01", "maintenance: expected list"),
    ],
)
def test_a_mistake_is_told(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(complaint)):
        stream(tmp_path, text)


def test_a_range_of_a_channel_that_the_bundle_has_not_is_refused() -> None:
    check_fault_channels(FaultPolicy(ranges={"x": (0.0, 1.0)}), SIGNAL, stream="pump1")
    with pytest.raises(ConfigError, match='stream "pump1": faults: range: no channel "xx" in its bundle; did you mean'):
        check_fault_channels(FaultPolicy(ranges={"xx": (0.0, 1.0)}), SIGNAL, stream="pump1")
