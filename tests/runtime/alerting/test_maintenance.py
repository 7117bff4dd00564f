"""Maintenance windows: when a stream is muted, by sample times."""

from __future__ import annotations

import re
from datetime import datetime, time, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from gateway_toml import MINIMAL, load
from hypothesis import given
from hypothesis import strategies as st

from vedette.errors import ConfigError
from vedette.runtime.alerting.maintenance import Mute, OnceWindow, RecurringWindow
from vedette.runtime.config.gateway import GatewayConfig

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str) -> float:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()


def configured(folder: Path, text: str, stream: str = "pump1") -> Mute:
    config: GatewayConfig = load(folder, MINIMAL + "[[maintenance]]\n" + text)
    mute = config.maintenance.mute("pump1", stream)
    assert mute is not None
    return mute


def test_one_with_a_start_and_an_end(tmp_path: Path) -> None:
    mute = configured(tmp_path, 'start = 2026-11-20T08:00:00Z\nend = "2026-11-20 10:00"')
    times = ["2026-11-20 07:59:59", "2026-11-20 08:00", "2026-11-20 09:59:59", "2026-11-20 10:00"]
    assert [mute.active(at(text)) for text in times] == [False, True, True, False]


def test_every_night_over_midnight(tmp_path: Path) -> None:
    mute = configured(tmp_path, 'from = "22:00"\nto = "02:00"')
    times = ["2026-11-20 21:59", "2026-11-20 22:00", "2026-11-21 01:59", "2026-11-21 02:00", "2026-11-21 12:00"]
    assert [mute.active(at(text)) for text in times] == [False, True, True, False, False]


def test_the_day_is_that_on_which_it_begins(tmp_path: Path) -> None:
    mute = configured(tmp_path, 'days = ["sat"]\nfrom = "22:00"\nto = 02:00:00')
    times = ["2026-11-20 23:00", "2026-11-21 01:00", "2026-11-21 23:00", "2026-11-22 01:00", "2026-11-22 23:00"]
    assert [mute.active(at(text)) for text in times] == [False, False, True, True, False]


def test_a_zone_keeps_its_own_clock_through_summer_and_winter(tmp_path: Path) -> None:
    mute = configured(tmp_path, 'from = "08:00"\nto = "09:00"\ntimezone = "Europe/Berlin"')
    times = ["2026-07-01 06:30", "2026-07-01 07:30", "2026-12-01 06:30", "2026-12-01 07:30"]
    assert [mute.active(at(text)) for text in times] == [True, False, False, True]


def test_patterns_choose_streams_and_devices(tmp_path: Path) -> None:
    config = load(tmp_path, MINIMAL + '[[maintenance]]\nstreams = ["pump*/m1"]\nfrom = "00:00"\nto = "00:00"\n')
    assert config.maintenance.mute("pump1", "pump1/m1") is not None
    assert config.maintenance.mute("pump1", "pump1/m2") is None
    everywhere = load(tmp_path, MINIMAL + '[[maintenance]]\nstreams = ["pump1"]\nfrom = "00:00"\nto = "00:00"\n')
    assert everywhere.maintenance.mute("pump1", "pump1/m2") is not None
    assert load(tmp_path, MINIMAL).maintenance.mute("pump1", "pump1") is None


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("start = 2026-11-20T08:00:00Z", "expected start and end, or from and to; found no end"),
        ("start = 2026-11-20\nend = 2026-11-19", "end: expected a time after the start"),
        ('start = "soon"\nend = 2026-11-19', "start: expected a time"),
        ('from = "22:00"', 'to: expected a time of day like "22:30", found None'),
        ('from = "25:00"\nto = "02:00"', "from: expected a time of day like \"22:30\", found '25:00'"),
        ('days = ["sut"]\nfrom = "22:00"\nto = "02:00"', 'unknown day "sut"; did you mean'),
        ('days = []\nfrom = "22:00"\nto = "02:00"', "expected at least one of mon"),
        ('from = "22:00"\nto = "02:00"\ntimezone = "Mars/Olympus"', 'no time zone "Mars/Olympus"'),
        ('from = "22:00"\nto = "02:00"\ntimezone = "../etc/passwd"', "no time zone"),
        ('streams = ["pimp1"]\nfrom = "22:00"\nto = "02:00"', "is the name of no stream; did you mean"),
        ('form = "22:00"\nto = "02:00"', 'unknown key "form"; did you mean "from"'),
    ],
)
def test_a_mistake_is_told(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(complaint)):
        configured(tmp_path, text)


CLOCKS = st.times(min_value=time(0), max_value=time(23, 59))
WINDOWS = st.builds(
    RecurringWindow,
    st.just(("*",)),
    st.frozensets(st.integers(0, 6), min_size=1),
    CLOCKS,
    CLOCKS,
    st.sampled_from([timezone.utc, BERLIN]),
) | st.tuples(st.floats(1.7e9, 1.8e9), st.floats(1, 1e6)).map(lambda at: OnceWindow(("*",), at[0], at[0] + at[1]))


@given(st.lists(WINDOWS, min_size=1, max_size=3), st.lists(st.floats(1.7e9, 1.8e9), max_size=20))
def test_what_was_asked_before_changes_no_answer(
    windows: list[OnceWindow | RecurringWindow], times: list[float]
) -> None:
    mute = Mute(windows)
    assert [mute.active(time) for time in times] == [Mute(windows).active(time) for time in times]
    assert all(mute.active(time) == any(window.around(time).inside for window in windows) for time in times)


@given(WINDOWS, st.floats(-62_135_596_800.0, 253_402_300_799.0))
def test_every_time_has_an_answer_that_holds_for_itself(window: OnceWindow | RecurringWindow, time: float) -> None:
    stretch = window.around(time)
    assert stretch.low <= time < stretch.high
