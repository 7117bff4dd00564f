"""The evaluation as a picture."""

from __future__ import annotations

import numpy as np

from vedette.runtime.bundles.bundle import Bundle
from vedette.train.evaluation.evaluate import Evaluation
from vedette.train.evaluation.metrics import events
from vedette.train.evaluation.plots import Format, ScoredSeries, Span, plot_scores
from vedette.train.evaluation.view import number

# Channels that are drawn, those with the largest shares: more are smaller than can be read.
MOST_CHANNELS = 8


def plot_evaluation(bundle: Bundle, evaluation: Evaluation, *, form: Format = "png") -> bytes:
    """The score against the threshold, the labelled events, the alerts, and the channels that the score came from."""
    signal = bundle.manifest.signal
    chosen = np.argsort(-evaluation.shares, kind="stable")[:MOST_CHANNELS]
    series = ScoredSeries(
        times=evaluation.table.times,
        channels=tuple(signal.channels[i] for i in chosen),
        values=evaluation.table.values[:, chosen],
        score=evaluation.scores.score,
        alert=evaluation.scores.alert,
        threshold=bundle.manifest.threshold,
        shares=evaluation.shares[chosen],
    )
    spans = [Span(first, last + 1) for first, last in events(evaluation.label)]
    return plot_scores(series, spans, title=_title(evaluation), note=_note(len(signal.channels)), form=form)


def _title(evaluation: Evaluation) -> str:
    metrics = evaluation.metrics
    if metrics["events_total"]:
        found = f"{metrics['events_found']} of {metrics['events_total']} events found"
    else:
        found = "no labelled events"
    per_day = "false_alarms_per_day" in metrics
    rate = metrics["false_alarms_per_day" if per_day else "false_alarms_per_10k_samples"]
    alarms = ""
    if rate is not None:
        alarms = f"{number(rate) if rate else 'no'} false alarms {'a day' if per_day else 'in 10,000 samples'}"
    area = f"VUS-PR {metrics['vus_pr']:.2f}" if metrics["vus_pr"] is not None else ""
    return f"{metrics['name']}: " + ", ".join(part for part in (found, alarms, area) if part)


def _note(channels: int) -> str:
    drawn = min(channels, MOST_CHANNELS)
    which = f"the {drawn} of {channels} channels with the largest shares" if drawn < channels else "the channels"
    return (
        "Labels: yellow found, black missed. Alerts: red on a labelled event, grey elsewhere. "
        f"Below: {which}; right: the share of the score while it is above the threshold."
    )
