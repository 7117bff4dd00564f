"""What the demo found out, from the alerts that arrived, the labels of the simulation, and ``vedette score``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from vedette.benchmarks.demo_live import Event
from vedette.benchmarks.latency import Latency
from vedette.runtime.bundles.manifest import Manifest
from vedette.runtime.times import iso_time, parse_time
from vedette.train.score_file import ScoredFile
from vedette.train.simulators.recording import NO_FAULT


@dataclass(frozen=True)
class Fault:
    """One labelled fault: rows ``first`` up to but not including ``stop``, and how the detector met it.

    ``delay_s`` is the time from its start to the first active alert, None where there was none; ``peak_severity`` the
    highest score in it over the threshold; ``channel`` the largest share of the most severe alert step in it.
    """

    number: int
    kind: str
    first: int
    stop: int
    start: str
    duration_s: float
    delay_s: float | None
    peak_severity: float
    channel: str | None
    share: float | None

    @property
    def name(self) -> str:
        """The kind in words."""
        return self.kind.replace("_", " ")


@dataclass(frozen=True)
class Incident:
    """One alert from ``new`` to ``end``: peak severity, and the channels of its most severe step."""

    start: str
    duration_s: float
    severity: float
    steps: int
    channels: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class DataFault:
    """A fault of the data itself, such as a sensor that is stuck; times are ISO 8601."""

    kind: str
    detail: str
    start: str
    end: str | None


@dataclass(frozen=True)
class Agreement:
    """The alerts that arrived against ``vedette score``: rows whose alert flag differs, steps whose score differs."""

    rows: int
    differing_rows: int
    steps: int
    differing_scores: int

    @property
    def complete(self) -> bool:
        """Whether both said the same everywhere."""
        return self.differing_rows == 0 and self.differing_scores == 0


@dataclass(frozen=True)
class DemoResult:
    """Everything that the demo tells, as JSON types in ``demo.json``. ``metrics`` are those of ``vedette evaluate``,
    ``accuracy`` float against int8 as in the bundle's manifest, ``phases`` seconds by phase."""

    vedette: str
    seed: int
    board: str
    machine: str
    detector: str
    hours: tuple[float, float]
    sample_period_s: float
    normal_hours: float
    metrics: dict[str, Any]
    accuracy: dict[str, Any]
    calibration: dict[str, Any]
    model_bytes: int
    float_bytes: int
    bundle_bytes: int
    latency: Latency
    delivery: dict[str, Any]
    agreement: Agreement
    faults: tuple[Fault, ...]
    incidents: tuple[Incident, ...]
    data_faults: tuple[DataFault, ...]
    phases: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)


def find_data_faults(events: Sequence[Event]) -> tuple[DataFault, ...]:
    """The faults of the data, as their last events tell them, in the order in which they began."""
    last = {event["data"]["fault_id"]: event["data"] for event in events}
    return tuple(DataFault(data["kind"], data["detail"], data["start"], data["end"]) for data in last.values())


def compare_with_score(events: Sequence[Event], scored: ScoredFile) -> Agreement:
    """Rebuild from the alerts when one was active; compare that, and their scores, with ``vedette score`` by row."""
    row_at = {iso_time(parse_time(label)): row for row, label in enumerate(scored.labels)}
    active = np.zeros(len(scored.labels), bool)
    opened: dict[str, int] = {}
    steps = differing = 0
    for event in events:
        data, row = event["data"], row_at[event["time"]]
        if data["phase"] == "end":
            # An alert that the end of the data closed is active at its last row.
            active[opened.pop(data["alert_id"]) : row + (1 if data.get("reason") else 0)] = True
            continue
        if data["phase"] == "new":
            opened[data["alert_id"]] = row
        steps += 1
        differing += float(f"{scored.scores.score[row]:.6g}") != data["score"]
    wrong = int((active != scored.scores.alert).sum()) + len(opened)
    return Agreement(len(active), wrong, steps, differing)


def find_faults(
    kinds: npt.NDArray[np.str_], scored: ScoredFile, manifest: Manifest, events: Sequence[Event]
) -> tuple[Fault, ...]:
    """The labelled faults; ``kinds`` names the fault of each row."""
    period_s = manifest.signal.period_s
    changes = np.flatnonzero(kinds[1:] != kinds[:-1]) + 1
    spans = [(a, b) for a, b in pairwise([0, *changes.tolist(), len(kinds)]) if kinds[a] != NO_FAULT]
    times = [parse_time(label) for label in scored.labels]
    faults = []
    for number, (first, stop) in enumerate(spans, start=1):
        active = np.flatnonzero(scored.scores.alert[first:stop])
        within = [
            event["data"]
            for event in events
            if event["data"]["phase"] != "end" and times[first] <= parse_time(event["time"]) <= times[stop - 1]
        ]
        worst = max(within, key=lambda data: float(data["severity"]), default=None)
        faults.append(
            Fault(
                number=number,
                kind=str(kinds[first]),
                first=first,
                stop=stop,
                start=scored.labels[first],
                duration_s=(stop - first) * period_s,
                delay_s=float(active[0]) * period_s if len(active) else None,
                peak_severity=float(scored.scores.score[first:stop].max()) / manifest.threshold,
                channel=worst["channels"][0]["name"] if worst else None,
                share=worst["channels"][0]["share"] if worst else None,
            )
        )
    return tuple(faults)


def find_incidents(events: Sequence[Event]) -> tuple[Incident, ...]:
    """The alerts, each from its first to its last step, in the order in which they began."""
    by_id: dict[str, list[dict[str, Any]]] = {}
    for event in events:
        by_id.setdefault(event["data"]["alert_id"], []).append(event["data"])
    incidents = []
    for steps in by_id.values():
        last, worst = steps[-1], max(steps[:-1], key=lambda data: float(data["severity"]), default=steps[-1])
        incidents.append(
            Incident(
                start=last["start"],
                duration_s=parse_time(last["end"]) - parse_time(last["start"]),
                severity=last["severity"],
                steps=len(steps),
                channels=tuple((channel["name"], channel["share"]) for channel in worst["channels"][:3]),
            )
        )
    return tuple(incidents)
