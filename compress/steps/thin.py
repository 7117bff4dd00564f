"""Thinning: fewer prototypes, found anew among the windows that the network was trained on.

Where there are prototypes, comparing a window with all of them takes more arithmetic than a small network does.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from vedette.compress.draft import Bench, Draft
from vedette.train.score_terms import nearest_term

KEPT = 0.25
FEWEST = 4


def apply(draft: Draft, bench: Bench, amount: float | None) -> tuple[Draft, dict[str, Any]]:
    """Keep the part ``amount`` of the prototypes; a detector without any stays as it is."""
    nearest = draft.score.nearest
    if nearest is None:
        return draft, {"prototypes": 0, "note": "this detector has no prototypes"}
    before = nearest.prototypes.count
    learned = bench.data.learned
    count = min(before, max(FEWEST, round((amount or KEPT) * before)))
    thinned = nearest_term(learned.inputs, learned.newest, count=count, seed=bench.seed)
    score = replace(draft.score, nearest=thinned)
    return replace(draft, score=score), {"prototypes_before": before, "prototypes": thinned.prototypes.count}
