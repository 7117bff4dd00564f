"""Post-training quantization: chooses the windows that quantization finds its ranges by.

The numbers become int8 when the network is exported for a board, in the form that the board wants (see
:mod:`vedette.compress.quantize`); how the windows are chosen is in :mod:`vedette.train.representative`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from vedette.compress.draft import Bench, Draft
from vedette.train.representative import covering


def apply(draft: Draft, bench: Bench, amount: float | None) -> tuple[Draft, dict[str, Any]]:
    """Choose the windows from those that the network was trained on."""
    representative = covering(draft.head, bench.data.learned.inputs, bench.model.signal.input_clip)
    return replace(draft, representative=representative), {"representative_windows": len(representative)}
