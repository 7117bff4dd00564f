"""Figures: a detector's score against its threshold, with the alerts and the channels below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vedette.runtime.signal import Channel
from vedette.train.metrics import events

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# On white, each with a contrast above 4.5 but the grid and the shading, and apart for colour-blind eyes.
INK, MUTED, GRID = "#1b2733", "#56636f", "#e3e7ea"
SCORE, ALERT, SHADE, CHANNEL = "#173f6b", "#c1271d", "#ffe1a8", "#2f6480"
# Scores are drawn down to this part of the threshold.
SCORE_FLOOR = 1e-3
# A picture of few colours is a quarter of the size.
COLOURS = 64
NAME_GAP_PX = 6
# With fewer, matplotlib finds no round interval for some ranges of time.
LEAST_TICKS = 5
_MARGIN_IN = 1.2


@dataclass(frozen=True)
class Span:
    """Rows ``start`` up to but not including ``stop``, shaded, with ``name`` (several lines, or empty) above them."""

    start: int
    stop: int
    name: str


@dataclass(frozen=True)
class ScoredSeries:
    """What the picture shows, row by row.

    ``times`` are seconds since 1970, or None to count rows; ``values`` is ``(n, channels)`` in sensor units; ``score``
    and ``alert`` (whether one is active) are ``(n,)``.
    """

    times: npt.NDArray[np.float64] | None
    channels: tuple[Channel, ...]
    values: npt.NDArray[np.float64]
    score: npt.NDArray[np.floating]
    alert: npt.NDArray[np.bool_]
    threshold: float


def plot_scores(
    series: ScoredSeries,
    spans: Sequence[Span],
    *,
    title: str,
    note: str = "",
    width_in: float = 12.0,
    dpi: int = 150,
    text_size: float = 8.5,
) -> bytes:
    """A PNG of the score (logarithmic) against the threshold, when an alert was active, and each channel below.

    ``note`` stands under the title. The height follows from the number of channels.
    """
    from matplotlib.figure import Figure

    heights = [3.3, 0.2, *([0.8] * len(series.channels))]
    figure = Figure(figsize=(width_in, sum(heights) + _MARGIN_IN), dpi=dpi, facecolor="white", layout="constrained")
    axes: list[Axes] = list(figure.subplots(len(heights), 1, sharex=True, height_ratios=heights))
    at = _positions(series)
    points = round(width_in * dpi)
    _draw_score(axes[0], at, series, points)
    _draw_alerts(axes[1], at, series.alert)
    for axis, values in zip(axes[2:], series.values.T, strict=True):
        axis.plot(*_thinned(at, values, points), color=CHANNEL, linewidth=0.7)
    names = ["score", "alerts", *(f"{item.name}\n{item.unit}" if item.unit else item.name for item in series.channels)]
    for axis, name in zip(axes, names, strict=True):
        axis.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=text_size, color=INK)
        _style(axis, text_size)
        for span in spans:
            axis.axvspan(at[span.start], at[span.stop - 1], color=SHADE, linewidth=0, zorder=0)
    axes[0].set_xlim(at[0], at[-1])
    _time_axis(axes[-1], timed=series.times is not None, ticks=max(LEAST_TICKS, round(1.1 * width_in)), size=text_size)
    _title(figure, title, note, text_size)
    figure.align_ylabels(axes)
    _name_spans(figure, axes[0], at, spans, text_size - 0.8)
    return _png(figure)


def _positions(series: ScoredSeries) -> npt.NDArray[Any]:
    """Where each row stands on the horizontal axis."""
    if series.times is None:
        return np.arange(len(series.score), dtype=np.float64)
    return (series.times * 1000).astype("datetime64[ms]")


def _draw_score(axis: Axes, at: npt.NDArray[Any], series: ScoredSeries, points: int) -> None:
    score = np.maximum(series.score, series.threshold * SCORE_FLOOR)
    axis.set_yscale("log")
    axis.yaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    axis.minorticks_off()
    axis.plot(*_thinned(at, score, points), color=SCORE, linewidth=0.8)
    axis.axhline(series.threshold, color=ALERT, linewidth=1.3, linestyle=(0, (6, 2.5)))
    label = axis.annotate(
        f"threshold {series.threshold:.3g}",
        (0, series.threshold),
        xycoords=("axes fraction", "data"),
        xytext=(4, 3.5),
        textcoords="offset points",
        fontsize=8,
        fontweight="bold",
        color=ALERT,
    )
    label.set_bbox({"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 1})
    axis.set_ylim(score.min() * 0.7, max(score.max(), series.threshold) * 1.6)


def _draw_alerts(axis: Axes, at: npt.NDArray[Any], alert: npt.NDArray[np.bool_]) -> None:
    """A strip that is filled while an alert is active, however short, so that none is invisible."""
    for first, last in events(alert):
        axis.axvspan(at[first], at[last], color=ALERT, linewidth=1.0, zorder=3)
    axis.set_ylim(0, 1)
    axis.set_yticks([])


def _style(axis: Axes, size: float) -> None:
    axis.tick_params(labelsize=size - 1, colors=MUTED, length=2.5, width=0.6)
    axis.grid(color=GRID, linewidth=0.6)
    axis.set_axisbelow(True)
    for side, spine in axis.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(MUTED)
        spine.set_linewidth(0.6)


def _time_axis(axis: Axes, *, timed: bool, ticks: int, size: float) -> None:
    if timed:
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

        locator = AutoDateLocator(minticks=2, maxticks=ticks)
        axis.xaxis.set_major_locator(locator)
        axis.xaxis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))
    axis.set_xlabel("time (UTC)" if timed else "row", fontsize=size, color=INK)


def _title(figure: Figure, title: str, note: str, size: float) -> None:
    figure.suptitle(title, x=0.008, ha="left", fontsize=size + 4, fontweight="bold", color=INK)
    if note:
        figure.supxlabel(note, x=0.008, ha="left", fontsize=size, color=MUTED)


def _name_spans(figure: Figure, axis: Axes, at: npt.NDArray[Any], spans: Sequence[Span], size: float) -> None:
    """Write the names above the spans; one that would touch the name before it goes up."""
    texts = [
        axis.annotate(
            span.name,
            (at[(span.start + span.stop - 1) // 2], 1),
            xycoords=("data", "axes fraction"),
            xytext=(0, 3),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=size,
            linespacing=1.2,
            color=INK,
            annotation_clip=False,
        )
        for span in spans
    ]
    figure.draw_without_rendering()
    free_from: list[float] = []  # for each level the right edge of its last name
    heights = [text.get_window_extent().height for text in texts]
    points_per_pixel = 72 / figure.dpi
    for text in texts:
        box = text.get_window_extent()
        level = next((level for level, edge in enumerate(free_from) if box.x0 > edge + NAME_GAP_PX), len(free_from))
        free_from[level : level + 1] = [box.x1]
        text.xyann = (0, 3 + level * (max(heights) * points_per_pixel + 2))


def _png(figure: Figure) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    buffer = BytesIO()
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(buffer, "png", optimize=True)
    return buffer.getvalue()


def _thinned(
    at: npt.NDArray[Any], values: npt.NDArray[np.floating], points: int
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """The lowest and the highest value of each of ``points`` stretches, so that no peak is lost."""
    step = len(values) // points
    if step < 3:
        return at, np.asarray(values)
    usable = len(values) // step * step
    blocks = values[:usable].reshape(-1, step)
    missing = np.isnan(blocks)
    lowest = np.where(missing, np.inf, blocks).argmin(axis=1)
    highest = np.where(missing, -np.inf, blocks).argmax(axis=1)
    chosen = np.sort(np.stack([lowest, highest], axis=1), axis=1)
    index = (chosen + np.arange(len(blocks))[:, None] * step).ravel()
    return at[index], values[index]
