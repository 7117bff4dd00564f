"""Timestamp columns: what is read, and what is said where local time was written."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.errors import DataError
from vedette.runtime.times import parse_time
from vedette.train.data.timestamps import Timestamps, read_iso

BERLIN = ZoneInfo("Europe/Berlin")
PATH = Path("data.csv")
WRITTEN = st.builds(
    "{:%Y-%m-%d}{}{}{}".format,
    st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)),
    st.sampled_from("T "),
    st.sampled_from(["00:00", "23:59:59", "12:30:01.5", "12:30:01.123456789", "24:00:00", "1:2:3", "12:30:60", "12"]),
    st.sampled_from(["", "Z", "z", "+01:00", "-05:30", "+0100", " "]),
)


@given(st.lists(WRITTEN, min_size=1, max_size=5))
def test_what_is_read_at_array_speed_is_what_the_gateway_reads(texts: list[str]) -> None:
    for text, seconds in zip(texts, read_iso(pl.Series(texts)), strict=True):
        if not np.isnan(seconds):
            assert seconds == pytest.approx(parse_time(text), abs=1e-6)


@pytest.mark.parametrize("zone", ["", "Z", "+01:00"])
@pytest.mark.parametrize("clock", ["T00:00", " 00:00:00", "T00:00:00.25"])
def test_the_usual_ways_to_write_times_are_all_read_at_array_speed(clock: str, zone: str) -> None:
    assert np.isfinite(read_iso(pl.Series([f"2026-01-0{day}{clock}{zone}" for day in (1, 2)]))).all()


def local(start: datetime, count: int, minutes: int) -> pl.Series:
    """What a logger writes that knows no zones, from a moment in UTC on."""
    moments = [start + timedelta(minutes=minutes * i) for i in range(count)]
    return pl.Series([f"{moment.astimezone(BERLIN):%Y-%m-%dT%H:%M:%S}" for moment in moments])


AUTUMN = datetime(2026, 10, 24, 22, tzinfo=timezone.utc)


def test_a_repeated_hour_among_many_rows_is_noted_as_the_end_of_daylight_saving() -> None:
    column = Timestamps(PATH, "time")
    column.take(local(AUTUMN, 20_000, 1), 0)
    assert column.local
    assert column.repeats_hour
    note = column.finish()
    assert note is not None
    assert note.startswith("data.csv: time: the clock goes back by an hour, as where local time leaves daylight saving")
    assert 'first row 181 ("2026-10-25T02:00:00")' in note
    assert "write times in UTC or with their offset" in note


def test_a_repeated_hour_among_few_rows_is_an_error_that_names_daylight_saving() -> None:
    column = Timestamps(PATH, "time")
    column.take(local(AUTUMN, 1000, 1), 0)
    with pytest.raises(DataError, match=r"60 of 1000 rows are not newer .* leaves daylight saving: write times in UTC"):
        column.finish()


def test_the_hour_is_found_where_it_begins_a_batch() -> None:
    texts, column = local(AUTUMN, 20_000, 1), Timestamps(PATH, "time")
    for start in range(0, 20_000, 180):
        column.take(texts[start : start + 180], start)
    assert column.repeats_hour


@pytest.mark.parametrize("suffix", ["+01:00", "Z"])
def test_times_with_a_zone_are_not_suspected(suffix: str) -> None:
    column = Timestamps(PATH, "time")
    column.take(local(AUTUMN, 20_000, 1) + suffix, 0)
    assert not column.local
    assert column.finish() is None


def test_another_step_back_is_no_daylight_saving() -> None:
    texts = local(datetime(2026, 6, 1, tzinfo=timezone.utc), 20_000, 1)
    column = Timestamps(PATH, "time")
    column.take(pl.concat([texts[:500], texts[450:]]), 0)
    assert not column.repeats_hour
    assert column.finish() is None
