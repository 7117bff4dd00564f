"""What is in a bundle, for people and programs."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from typing import Any

from vedette.runtime.bundles.bundle import Bundle


def describe(bundle: Bundle) -> dict[str, Any]:
    """A bundle as one JSON-able dict; ``channels`` are their names, ``signal`` has all about them."""
    manifest = bundle.manifest
    signal = asdict(manifest.signal)
    return {
        "name": manifest.name,
        "version": manifest.version,
        "sequence": manifest.sequence,
        "board": manifest.board.get("name"),
        "threshold": manifest.threshold,
        "window": manifest.signal.window,
        "stride": manifest.signal.stride,
        "channels": list(manifest.signal.names),
        "model_bytes": len(bundle.model_bytes),
        "prototype_bytes": manifest.score.nearest.prototypes.size if manifest.score.nearest else 0,
        "golden_windows": len(bundle.golden.windows),
        "sha256": bundle.sha256,
        "signed": False,
        "signal": signal,
        "score": asdict(manifest.score),
        "alert": asdict(manifest.alert),
        "runtime": asdict(manifest.runtime),
        "quantization": {name: asdict(q) if q else None for name, q in manifest.quantization.items()},
        "members": manifest.members,
        "calibration": manifest.calibration,
        "accuracy": manifest.accuracy,
        "recipe": manifest.recipe,
        "provenance": manifest.provenance,
        "board_details": manifest.board,
    }


def sheet(description: dict[str, Any]) -> str:
    """A description as aligned text, the details left to JSON."""
    accuracy, calibration, runtime = (description[key] for key in ("accuracy", "calibration", "runtime"))
    signal = description["signal"]
    period, each = signal["sample_period_s"], "resampled to one row" if signal["resampled"] else "one sample"
    lines = {
        "name": f"{description['name']} {description['version']} (sequence {description['sequence']}), not signed",
        "board": description["board"],
        "model": f"{description['model_bytes']:,} bytes, {' + '.join(map(str, description['recipe']))}"
        + (f"; {description['prototype_bytes']:,} bytes of prototypes" if description["prototype_bytes"] else ""),
        "runs on": f"{runtime['package']} {runtime['version']}, rounding family {runtime['family']}",
        "channels": ", ".join(description["channels"]),
        "window": f"{description['window']} samples, stride {description['stride']}, "
        + (f"{each} every {period:g} s" if period else "no time base"),
        "threshold": f"{description['threshold']:.6g}",
    }
    # What is carried for people only is not checked when a bundle is read.
    with suppress(KeyError, TypeError, ValueError, AttributeError):
        lines["calibrated"] = _calibrated(calibration)
    with suppress(KeyError, TypeError, ValueError):
        lines["AUC-ROC"] = (
            f"{accuracy['int8_auc_roc']:.3f} int8, {accuracy['float_auc_roc']:.3f} float; injected anomalies"
        )
    with suppress(KeyError, TypeError):
        if accuracy["accepted"]:
            lines["waived"] = "; ".join(accuracy["accepted"])
    lines["sha256"] = description["sha256"]
    return "\n".join(f"{name:<11} {value}" for name, value in lines.items())


def _calibrated(calibration: dict[str, Any]) -> str:
    low, high = calibration["interval"]
    budget = ", ".join(f"{name} = {value:g}" for name, value in calibration["budget"].items())
    supported = "read off the data" if calibration["supported"] else "extrapolated beyond the data"
    return f"{budget}, {supported}; 90% interval {low:.4g} to {high:.4g}; {calibration['normal_samples']:,} scores"
