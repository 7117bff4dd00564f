"""The figures: right size, nothing lost, whatever the data."""

from __future__ import annotations

import struct
from dataclasses import replace
from io import BytesIO
from itertools import combinations, pairwise
from xml.etree.ElementTree import fromstring

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from PIL import Image

from vedette.runtime.detection.signal import Channel
from vedette.train.evaluation.plots import ALERT, EVENT, FALSE_ALERT, ScoredSeries, Span, _name_spans, plot_scores
from vedette.train.evaluation.thinning import bars, highest, thin

START_S = 1_767_657_600.0


def series(rows: int, *, channels: int = 2, period_s: float | None = 2.0) -> ScoredSeries:
    rng = np.random.default_rng(7)
    values = rng.normal(size=(rows, channels))
    score = np.exp(rng.normal(size=rows)).astype(np.float32)
    alert = np.zeros(rows, bool)
    alert[rows // 2 : rows // 2 + 3] = True
    times = None if period_s is None else START_S + np.arange(rows) * period_s
    named = tuple(Channel(f"c{i}", mean=0.0, scale=1.0, low=-3.0, high=3.0, unit="bar") for i in range(channels))
    return ScoredSeries(times, named, values, score, alert, threshold=5.0)


def size(png: bytes) -> tuple[int, int]:
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    return width, height


@pytest.mark.slow
@pytest.mark.parametrize("period_s", [None, 0.001, 0.01, 1.0, 60.0, 3600.0, 90_000.0])
@pytest.mark.parametrize("width_in", [3.8, 12.0])
def test_a_figure_has_the_width_asked_for_whatever_the_time_base(period_s: float | None, width_in: float) -> None:
    png = plot_scores(series(500, period_s=period_s), [Span(100, 200, "wear")], title="t", width_in=width_in, dpi=50)
    assert size(png)[0] == round(width_in * 50)


@pytest.mark.slow
def test_the_same_series_gives_the_same_bytes_and_more_channels_a_taller_figure() -> None:
    few, many = series(300, channels=2), series(300, channels=12)
    once, again = (plot_scores(few, [], title="t", dpi=50) for _ in range(2))
    assert once == again
    assert size(plot_scores(many, [], title="t", dpi=50))[1] > size(once)[1]


@pytest.mark.slow
def test_spans_are_shaded_and_alerts_are_red() -> None:
    plain = series(400)
    picture = np.asarray(
        Image.open(BytesIO(plot_scores(plain, [Span(100, 300, "")], title="t", dpi=60))).convert("RGB")
    )
    red, green, blue = (picture[..., i].astype(int) for i in range(3))
    assert ((red > 240) & (green > 200) & (blue < 215)).mean() > 0.1
    assert ((red > 170) & (green < 60) & (blue < 60)).sum() > 20


def shows(png: bytes, colour: str) -> bool:
    """Whether some pixels have a colour, or as good as that: a PNG has a palette of few."""
    wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    off = np.abs(np.asarray(Image.open(BytesIO(png)).convert("RGB")).astype(int) - wanted).max(axis=-1)
    return bool((off <= 16).sum() > 5)


@pytest.mark.slow
def test_a_missed_event_and_an_alert_without_event_have_colours_of_their_own() -> None:
    plain = series(400)  # its alert is active in rows 200 to 202
    found = plot_scores(plain, [Span(190, 230)], title="t")
    missed = plot_scores(plain, [Span(300, 340)], title="t")
    assert shows(found, EVENT)
    assert not shows(missed, EVENT)
    assert shows(missed, FALSE_ALERT)
    assert shows(found, ALERT)


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "channels"), [(1, 1), (16, 1), (20_000, 20)])
def test_any_number_of_rows_and_channels_can_be_drawn(rows: int, channels: int) -> None:
    spans = [Span(row, row + 1) for row in range(0, rows, 5)]
    assert size(plot_scores(series(rows, channels=channels), spans, title="t", dpi=50))[0] == 600


@pytest.mark.slow
def test_odd_data_can_be_drawn() -> None:
    plain = series(300)
    values = np.full_like(plain.values, np.nan)
    assert plot_scores(replace(plain, values=values), [], title="a channel without a value", dpi=50)
    late = np.full(300, START_S)
    assert plot_scores(replace(plain, times=late), [], title="a clock that stands", dpi=50)
    assert plot_scores(replace(plain, times=late[::-1] - np.arange(300)), [], title="a clock set back", dpi=50)
    flat = replace(plain, score=np.zeros(300), threshold=0.0)
    assert plot_scores(flat, [], title="a score that is zero", dpi=50)
    assert plot_scores(replace(plain, score=plain.score - 2), [], title="scores below zero", dpi=50)


@pytest.mark.slow
def test_a_picture_as_svg_has_its_text_as_text_and_the_same_bytes_every_time() -> None:
    plain = series(30_000)
    once, again = (plot_scores(plain, [Span(100, 300)], title="a title", form="svg") for _ in range(2))
    assert once == again
    assert len(once) < 1_000_000
    texts = {element.text for element in fromstring(once).iter("{http://www.w3.org/2000/svg}text")}
    assert {"a title", "score", "c0", "time (UTC)"} <= texts


@pytest.mark.slow
def test_names_that_would_touch_are_put_above_each_other() -> None:
    figure = Figure(layout="constrained")
    axis = figure.subplots()
    spans = [Span(200 + 10 * i, 205 + 10 * i, "a rather\nlong name") for i in range(5)] + [Span(480, 490, "alone")]
    axis.set_xlim(0, 500)
    _name_spans(figure, axis, np.arange(500.0), spans, 8.0)
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in axis.texts]
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
    assert boxes[-1].y0 == boxes[0].y0 < boxes[1].y0


def test_thinning_keeps_the_highest_and_the_lowest_value() -> None:
    values = np.zeros(100_007)
    values[41_234], values[77_001], values[-1] = 9.0, -9.0, 8.0
    at, thinned = thin(np.arange(100_007.0), values, 1000)
    assert (thinned.max(), thinned.min()) == (9.0, -9.0)
    assert 8.0 in thinned
    assert 2000 <= len(at) <= 2100
    assert (np.diff(at) >= 0).all()
    where, peaks = highest(np.arange(100_007.0), values, 1000)
    assert where[peaks == 9.0].tolist() == [41_234]


def test_a_short_series_is_drawn_as_it_is() -> None:
    values = np.arange(100.0)
    for thinner in (thin, highest):
        at, thinned = thinner(values, values, 50)
        assert thinned.tolist() == values.tolist() == at.tolist()


def test_missing_values_leave_a_gap_of_their_own_size() -> None:
    values = np.ones(10_000)
    values[5010:5290] = np.nan
    _, thinned = thin(np.arange(10_000.0), values, 100)
    assert np.isnan(thinned).sum() == 2  # one stretch of 100 rows has no value at all


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 10)), max_size=20).map(sorted), st.floats(0.1, 5))
def test_bars_cover_their_ranges_and_can_be_told_apart(ranges: list[tuple[int, int]], narrowest: float) -> None:
    spans = [(float(begin), float(begin + width)) for begin, width in ranges]
    drawn = bars(spans, narrowest)
    assert all(width >= narrowest * 0.999 for _, width in drawn)
    assert all(b[0] - (a[0] + a[1]) >= narrowest * 0.999 for a, b in pairwise(drawn))
    for begin, end in spans:
        assert any(first <= begin and end <= first + width + 1e-9 for first, width in drawn)
