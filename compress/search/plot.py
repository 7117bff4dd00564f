"""The front as a picture: what the AUC-ROC costs in bytes, arithmetic and time."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import TYPE_CHECKING

from vedette.compress.search.candidate import Candidate
from vedette.compress.search.run import SearchResult
from vedette.train.evaluation.plots import ALERT, GRID, INK, MUTED, SCORE, SHADE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH_IN, HEIGHT_IN, TEXT = 12.0, 4.6, 8.5
# Each panel: its label, and what a candidate has there.
PANELS: tuple[tuple[str, Callable[[Candidate], float]], ...] = (
    ("bytes of .tflite and prototypes", lambda candidate: candidate.bytes),
    ("multiply-accumulates for a window", lambda candidate: candidate.arithmetic),
    ("invocation, µs", lambda candidate: candidate.latency_us),
)
# What a dot covers, in pixels of the figure, and where a number may stand, in points from its dot.
DOT_PX = 7.0
NUMBER_PLACES = tuple(
    (x * far, y * far)
    for far in (9, 14, 20)
    for x, y in ((0.7, 0.7), (0.7, -0.7), (-0.7, -0.7), (-0.7, 0.7), (0, 1), (0, -1))
)


def plot_front(result: SearchResult) -> bytes:
    """An SVG of every candidate, with those on the front in colour and numbered as in the table, the chosen one ringed,
    and the budget as the shaded part. Text stays text; the same result gives the same bytes."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH_IN, HEIGHT_IN), facecolor="white", layout="constrained")
    panels: list[Axes] = list(figure.subplots(1, len(PANELS), sharey=True))
    for axis, (label, figure_of) in zip(panels, PANELS, strict=True):
        _draw(axis, result, figure_of)
        axis.set_xlabel(label, fontsize=TEXT, color=INK)
        _style(axis)
        _scale(axis, label)
    _draw_budget(panels, result)
    panels[0].set_ylabel("AUC-ROC on injected anomalies", fontsize=TEXT, color=INK)
    best = result.best
    told = f"{best.recipe}, {best.bytes:,} bytes" if best else "nothing keeps its word"
    figure.suptitle(
        f"{result.source.name} on {result.board}: {told}",
        x=0.008,
        ha="left",
        fontsize=TEXT + 4,
        fontweight="bold",
        color=INK,
    )
    figure.supxlabel(
        "Numbers as in the table; ringed: chosen; hollow: breaks a promise; grey: beaten by another recipe; square: "
        f"the float32 model of {result.float_bytes:,} bytes. Shaded: within the budget.",
        x=0.008,
        ha="left",
        fontsize=TEXT,
        color=MUTED,
    )
    figure.draw_without_rendering()
    for axis, (_, figure_of) in zip(panels, PANELS, strict=True):
        _number(axis, result, figure_of)
    buffer = BytesIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "vedette"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def _draw(axis: Axes, result: SearchResult, figure_of: Callable[[Candidate], float]) -> None:
    shown = result.front
    for candidate in result.candidates:
        if candidate not in shown:
            _dot(axis, candidate, figure_of, MUTED, 18)
    for candidate in shown:
        _dot(axis, candidate, figure_of, SCORE, 34)
        if candidate == result.best:
            place = (figure_of(candidate), candidate.int8_auc_roc)
            axis.scatter(*place, s=130, facecolors="none", edgecolors=ALERT, linewidths=1.6, zorder=4)


def _dot(axis: Axes, candidate: Candidate, figure_of: Callable[[Candidate], float], colour: str, size: float) -> None:
    axis.scatter(
        figure_of(candidate),
        candidate.int8_auc_roc,
        s=size,
        facecolors="white" if candidate.broken else colour,
        edgecolors=colour,
        linewidths=1.0,
        alpha=1.0 if colour == SCORE else 0.55,
        zorder=3,
    )


def _draw_budget(panels: list[Axes], result: SearchResult) -> None:
    """The float model's place, and the part of the panels in which a candidate keeps its word."""
    if not result.candidates:
        return
    reference = result.candidates[0]
    line = reference.float_auc_roc * result.budget.min_auc_retention
    places = (result.float_bytes, None, reference.float_latency_us)
    for axis, place in zip(panels, places, strict=True):
        if place is not None:
            axis.scatter(place, reference.float_auc_roc, s=34, marker="s", color=INK, zorder=3)
    limits = [axis.get_xlim() for axis in panels]
    bottom, top = panels[0].get_ylim()
    for axis, (left, right) in zip(panels, limits, strict=True):
        most = result.budget.max_bytes if axis is panels[0] else None
        inside = right if most is None else min(max(most, left), right)
        axis.fill_between([left, inside], line, max(top, line), color=SHADE, linewidth=0, zorder=0)
        axis.set(xlim=(left, right), ylim=(min(bottom, line), max(top, line)))


def _scale(axis: Axes, label: str) -> None:
    """Sizes by factors; times from 0, as they differ little."""
    from matplotlib.ticker import LogLocator, NullLocator

    if label == PANELS[-1][0]:
        axis.set_xlim(left=0.0, right=1.15 * axis.get_xlim()[1])
        return
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:,g}")


def _number(axis: Axes, result: SearchResult, figure_of: Callable[[Candidate], float]) -> None:
    """Write the numbers beside the dots on the front, each where it touches none before, as far as there is room."""
    from matplotlib.transforms import Bbox

    places = [(figure_of(candidate), candidate.int8_auc_roc) for candidate in result.front]
    half = DOT_PX / 2
    taken = [Bbox.from_bounds(x - half, y - half, DOT_PX, DOT_PX) for x, y in map(axis.transData.transform, places)]
    for number, place in enumerate(places, 1):
        text = axis.annotate(
            str(number),
            place,
            xytext=NUMBER_PLACES[0],
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=TEXT - 1,
            color=INK,
            zorder=5,
        )
        for offset in NUMBER_PLACES:
            text.xyann = offset
            box = text.get_window_extent()
            if not box.count_overlaps(taken):
                break
        taken.append(box)


def _style(axis: Axes) -> None:
    axis.tick_params(labelsize=TEXT - 1, colors=MUTED, length=2.5, width=0.6)
    axis.grid(color=GRID, linewidth=0.6)
    axis.set_axisbelow(True)
    for side, spine in axis.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(MUTED)
        spine.set_linewidth(0.6)
