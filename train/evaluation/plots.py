"""Pictures of scored series: the score against its threshold, what was labelled, the alerts, and the channels below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from vedette.runtime.detection.signal import Channel
from vedette.train.evaluation.metrics import events
from vedette.train.evaluation.thinning import Positions, bars, highest, thin

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Format = Literal["png", "svg"]
# By the file's ending.
FORMATS: dict[str, Format] = {".png": "png", ".svg": "svg"}

# On white, each with a contrast above 4.5 but the grid and the shading, and apart for colour-blind eyes.
INK, MUTED, GRID = "#1b2733", "#56636f", "#e3e7ea"
SCORE, ALERT, CHANNEL = "#173f6b", "#c1271d", "#2f6480"
SHADE, EVENT, FALSE_ALERT = "#fff0cc", "#e09f1f", "#7d8790"
# Scores are drawn down to this part of the threshold.
SCORE_FLOOR = 1e-3
# A picture of few colours is a third of the size.
COLOURS = 96
NAME_GAP_PX = 6
# Points of a line for each inch of width, and the width of the shortest event or alert in such points.
POINTS_PER_IN, NARROWEST = 110, 1.6
# With fewer, matplotlib finds no round interval for some ranges of time.
LEAST_TICKS = 5
# Heights in inches; many channels get less each.
_SCORE_IN, _LANES_IN, _CHANNELS_IN, _MARGIN_IN = 2.9, 0.34, (0.36, 0.85, 8.0), 1.2


@dataclass(frozen=True)
class Span:
    """Rows ``start`` up to but not including ``stop``, shaded, with ``name`` (several lines, or empty) above them."""

    start: int
    stop: int
    name: str = ""


@dataclass(frozen=True)
class ScoredSeries:
    """What the picture shows, row by row.

    ``times`` are seconds since 1970, or None to count rows; ``values`` is ``(n, channels)`` in sensor units; ``score``
    and ``alert`` (whether one is active) are ``(n,)``. ``shares``, if any, are written beside the channels.
    """

    times: npt.NDArray[np.float64] | None
    channels: tuple[Channel, ...]
    values: npt.NDArray[np.float64]
    score: npt.NDArray[np.floating]
    alert: npt.NDArray[np.bool_]
    threshold: float
    shares: npt.NDArray[np.floating] | None = None


def plot_scores(
    series: ScoredSeries,
    spans: Sequence[Span],
    *,
    title: str,
    note: str = "",
    width_in: float = 12.0,
    dpi: int = 150,
    text_size: float = 8.5,
    form: Format = "png",
) -> bytes:
    """A picture of the score against the threshold, of labelled events and alerts, and of each channel below.

    ``spans`` are the events, in their order. ``note`` stands at the foot. The height follows from the number of
    channels; ``dpi`` is the resolution of a PNG.
    """
    from matplotlib.figure import Figure

    least, most, together = _CHANNELS_IN
    each = min(max(together / len(series.channels), least), most)
    heights = [_SCORE_IN, _LANES_IN, *([each] * len(series.channels))]
    figure = Figure(figsize=(width_in, sum(heights) + _MARGIN_IN), dpi=dpi, facecolor="white", layout="constrained")
    axes: list[Axes] = list(figure.subplots(len(heights), 1, sharex=True, height_ratios=heights))
    at, points = _positions(series), round(width_in * POINTS_PER_IN)
    narrowest = float(at[-1] - at[0]) / points * NARROWEST
    shaded = [(float(at[span.start]), float(at[span.stop - 1])) for span in spans]
    _draw_score(axes[0], at, series, points)
    _draw_lanes(axes[1], at, series.alert, spans, narrowest)
    for axis, values in zip(axes[2:], series.values.T, strict=True):
        axis.plot(*thin(at, values, points), color=CHANNEL, linewidth=0.7)
        axis.margins(y=0.12)
    names = ["score", "labels\nalerts", *map(_channel_name, series.channels)]
    for axis, name in zip(axes, names, strict=True):
        axis.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=text_size, color=INK)
        _style(axis, text_size)
        if axis is not axes[1]:
            whole = axis.get_xaxis_transform()
            axis.broken_barh(bars(shaded, narrowest), (0, 1), transform=whole, color=SHADE, linewidth=0, zorder=0)
    if series.shares is not None:
        _write_shares(axes[2:], series.shares, text_size)
    if at[-1] > at[0]:
        axes[0].set_xlim(at[0], at[-1])
    _time_axis(axes[-1], timed=series.times is not None, ticks=max(LEAST_TICKS, round(1.1 * width_in)), size=text_size)
    _title(figure, title, note, text_size)
    figure.align_ylabels(axes)
    _name_spans(figure, axes[0], at, spans, text_size - 0.8)
    return _svg(figure) if form == "svg" else _png(figure)


def _positions(series: ScoredSeries) -> Positions:
    """Where each row stands on the horizontal axis; a row whose time is not newer stands where the one before does."""
    if series.times is None:
        return np.arange(len(series.score), dtype=np.float64)
    from matplotlib.dates import date2num

    days: Positions = date2num((np.maximum.accumulate(series.times) * 1000).astype("datetime64[ms]"))
    return days


def _channel_name(channel: Channel) -> str:
    name = channel.name if len(channel.name) <= 24 else f"{channel.name[:23]}…"
    return f"{name}\n{channel.unit}" if channel.unit else name


def _draw_score(axis: Axes, at: Positions, series: ScoredSeries, points: int) -> None:
    """The score, logarithmic where that is possible; the part above the threshold is filled."""
    score, threshold = np.asarray(series.score, np.float64), series.threshold
    if threshold > 0 and score.min() >= 0:
        score = np.maximum(score, threshold * SCORE_FLOOR)
        axis.set_yscale("log")
        axis.yaxis.set_major_formatter(lambda value, _: f"{value:,g}")
        axis.minorticks_off()
        axis.set_ylim(score.min() * 0.7, max(score.max(), threshold) * 1.6)
    axis.plot(*thin(at, score, points), color=SCORE, linewidth=0.8)
    where, peak = highest(at, score, points)
    axis.fill_between(where, threshold, peak, where=peak > threshold, step="mid", color=ALERT, alpha=0.35, linewidth=0)
    axis.axhline(threshold, color=ALERT, linewidth=1.2, linestyle=(0, (6, 2.5)))
    label = axis.annotate(
        f"threshold {threshold:.3g}",
        (0, threshold),
        xycoords=("axes fraction", "data"),
        xytext=(4, 3.5),
        textcoords="offset points",
        fontsize=8,
        fontweight="bold",
        color=ALERT,
        zorder=6,
    )
    label.set_bbox({"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 1})


def _draw_lanes(
    axis: Axes, at: Positions, alert: npt.NDArray[np.bool_], spans: Sequence[Span], narrowest: float
) -> None:
    """Above, the labelled events, dark where no alert was active in one; below, the alerts, grey those outside events.

    None is narrower than can be seen.
    """
    label = np.zeros(len(alert), bool)
    for span in spans:
        label[span.start : span.stop] = True
    lanes = (
        (0.55, [(span.start, span.stop - 1) for span in spans], alert, EVENT, INK),
        (0.05, events(alert), label, ALERT, FALSE_ALERT),
    )
    for bottom, runs, other, met, unmet in lanes:
        for hit, colour in ((False, unmet), (True, met)):
            chosen = [(at[first], at[last]) for first, last in runs if hit == bool(other[first : last + 1].any())]
            axis.broken_barh(bars(chosen, narrowest), (bottom, 0.4), color=colour, linewidth=0, zorder=3)
    axis.set_ylim(0, 1)
    axis.set_yticks([])


def _write_shares(axes: Sequence[Axes], shares: npt.NDArray[np.floating], size: float) -> None:
    """Each channel's part of the score, at its right."""
    for axis, share in zip(axes, shares, strict=True):
        axis.annotate(f"{share:.0%}", (1.006, 0.5), xycoords="axes fraction", va="center", fontsize=size, color=MUTED)


def _style(axis: Axes, size: float) -> None:
    axis.tick_params(labelsize=size - 1, colors=MUTED, length=2.5, width=0.6)
    axis.grid(color=GRID, linewidth=0.6)
    axis.set_axisbelow(True)
    for side, spine in axis.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(MUTED)
        spine.set_linewidth(0.6)
    if axis.get_yscale() == "linear" and len(axis.get_yticks()):
        axis.locator_params(axis="y", nbins=3)


def _time_axis(axis: Axes, *, timed: bool, ticks: int, size: float) -> None:
    if timed:
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

        locator = AutoDateLocator(minticks=2, maxticks=ticks)
        axis.xaxis.set_major_locator(locator)
        axis.xaxis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))
    else:
        axis.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axis.set_xlabel("time (UTC)" if timed else "row", fontsize=size, color=INK)


def _title(figure: Figure, title: str, note: str, size: float) -> None:
    figure.suptitle(title, x=0.008, ha="left", fontsize=size + 4, fontweight="bold", color=INK)
    if note:
        figure.supxlabel(note, x=0.008, ha="left", fontsize=size, color=MUTED)


def _name_spans(figure: Figure, axis: Axes, at: Positions, spans: Sequence[Span], size: float) -> None:
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
        if span.name
    ]
    if not texts:
        return
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


def _svg(figure: Figure) -> bytes:
    """Text stays text; the same series gives the same bytes."""
    from matplotlib import rc_context

    buffer = BytesIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "vedette"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()
