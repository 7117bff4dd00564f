"""The figures: right size, nothing lost, whatever the data."""

from __future__ import annotations

import struct
from io import BytesIO
from itertools import combinations

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from vedette.benchmarks.plots import ScoredSeries, Span, _name_spans, _thinned, plot_scores
from vedette.runtime.signal import Channel

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
    few, many = series(300, channels=2), series(300, channels=5)
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
    assert ((red > 240) & (green > 200) & (blue < 190)).mean() > 0.1
    assert ((red > 170) & (green < 60) & (blue < 60)).sum() > 20


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
    values = np.zeros(100_000)
    values[41_234], values[77_001] = 9.0, -9.0
    at, thin = _thinned(np.arange(100_000), values, 1000)
    assert (thin.max(), thin.min(), len(at)) == (9.0, -9.0, 2000)
    assert (np.diff(at) >= 0).all()


def test_missing_values_leave_a_gap_of_their_own_size() -> None:
    values = np.ones(10_000)
    values[5010:5290] = np.nan
    _, thin = _thinned(np.arange(10_000), values, 100)
    assert np.isnan(thin).sum() == 2  # one stretch of 100 rows has no value at all
