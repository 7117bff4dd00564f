"""The bundle's manifest: what a gateway must know to run the model, and what a person wants to know about it.

The typed part is what the runtime acts on. ``board``, ``calibration``, ``accuracy``, ``recipe`` and ``provenance`` are
carried for people and reports. Written and read as one JSON document; the reader checks every value it uses.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from vedette.errors import BundleError, DataError
from vedette.runtime import strict_json
from vedette.runtime.alerting.alerts import AlertPolicy
from vedette.runtime.detection.prototypes import Prototypes
from vedette.runtime.detection.score_spec import PrototypeSpec, ScoreSpec, TermSpec
from vedette.runtime.detection.signal import Channel, SignalSpec
from vedette.runtime.inference.interpreter import Quantization
from vedette.runtime.json_keys import Keys

FORMAT = 2
MAX_BYTES = 4 * 1024 * 1024
MAX_CHANNELS = 4096
MAX_WINDOW = 1_000_000
MAX_PROTOTYPES = 65_536


@dataclass(frozen=True)
class RuntimeSpec:
    """The interpreter a bundle was calibrated on: package, version, rounding family and threads."""

    package: str
    version: str
    family: str
    threads: int


@dataclass(frozen=True)
class Manifest:
    """Everything in a bundle but the model and the golden windows."""

    name: str
    version: str
    sequence: int
    signal: SignalSpec
    score: ScoreSpec
    threshold: float
    alert: AlertPolicy
    runtime: RuntimeSpec
    quantization: dict[str, Quantization | None]
    members: dict[str, str]
    board: dict[str, Any] = field(default_factory=dict)
    calibration: dict[str, Any] = field(default_factory=dict)
    accuracy: dict[str, Any] = field(default_factory=dict)
    recipe: list[str] = field(default_factory=list)
    provenance: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> bytes:
        """The manifest as deterministic, readable UTF-8 JSON."""
        document = {"format": FORMAT, **asdict(self)}
        return (json.dumps(document, indent=1, allow_nan=False, ensure_ascii=False) + "\n").encode()

    @classmethod
    def from_json(cls, data: bytes) -> Manifest:
        """Read a manifest. Raises :class:`BundleError` that names the key which is missing or wrong."""
        try:
            document = strict_json.loads(data, max_bytes=MAX_BYTES, what="manifest.json")
        except DataError as error:
            raise BundleError(str(error)) from None
        keys = Keys(document, "manifest.json")
        found = keys.integer("format", low=1)
        if found != FORMAT:
            raise BundleError(f"bundle format {found}: this vedette reads format {FORMAT}; upgrade it or export again")
        signal = read_signal(keys.section("signal"))
        score = read_score(keys.section("score"), signal)
        runtime = keys.section("runtime")
        tensors = keys.section("quantization")
        quantization = {name: _quantization(tensors, name) for name in ("input", "output")}
        if score.nearest and (score.nearest.prototypes.dtype == "int8") != (quantization["input"] is not None):
            raise BundleError("manifest.json: score: the prototypes are not in the form of the model's input")
        members = keys.section("members")
        return cls(
            name=keys.text("name"),
            version=keys.text("version"),
            sequence=keys.integer("sequence", low=0),
            signal=signal,
            score=score,
            threshold=keys.number("threshold", above=0),
            alert=read_alert_policy(keys.section("alert")),
            runtime=RuntimeSpec(
                runtime.text("package"),
                runtime.text("version"),
                runtime.text("family"),
                runtime.integer("threads", low=1, high=64),
            ),
            quantization=quantization,
            members={name: members.text(name) for name in members.document},
            board=keys.section("board").document,
            calibration=keys.section("calibration").document,
            accuracy=keys.section("accuracy").document,
            recipe=keys.get("recipe", list),
            provenance=keys.section("provenance").document,
        )


def read_signal(keys: Keys) -> SignalSpec:
    """Read a signal spec, checking every value."""
    channels = keys.items("channels", _channel)
    names = [channel.name for channel in channels]
    if not 1 <= len(names) <= MAX_CHANNELS or len(set(names)) != len(names):
        raise keys.error(f"{keys.where}: expected 1 to {MAX_CHANNELS} channels with different names")
    missing = keys.text("missing")
    if missing not in ("hold", "drop", "fail"):
        raise keys.error(f"{keys.where}: missing: expected hold, drop or fail, found {missing!r}")
    period = keys.optional("sample_period_s", lambda key: keys.number(key, above=0))
    resampled = keys.optional("resampled", lambda key: keys.get(key, bool)) or False
    if resampled and period is None:
        raise keys.error(f"{keys.where}: resampled: expected a sample_period_s, the period of the grid, found none")
    return SignalSpec(
        channels=channels,
        window=keys.integer("window", low=1, high=MAX_WINDOW),
        stride=keys.integer("stride", low=1, high=MAX_WINDOW),
        sample_period_s=period,
        timestamp=keys.optional("timestamp", keys.text),
        missing=missing,  # type: ignore[arg-type]
        max_hold=keys.integer("max_hold", low=0),
        input_clip=keys.number("input_clip", above=0),
        resampled=resampled,
    )


def read_alert_policy(keys: Keys) -> AlertPolicy:
    """Read an alert policy, checking every value."""
    clear_ratio = keys.optional("clear_ratio", lambda key: keys.number(key, above=0))
    policy = AlertPolicy(
        min_windows=keys.integer("min_windows", low=1),
        clear_after_s=keys.number("clear_after_s", low=0),
        cooldown_s=keys.number("cooldown_s", low=0),
        of_windows=keys.optional("of_windows", lambda key: keys.integer(key, low=1)),
        clear_ratio=1.0 if clear_ratio is None else clear_ratio,
    )
    if policy.clear_ratio > 1:
        raise keys.error(f"{keys.where}: clear_ratio: expected a number in (0, 1], found {policy.clear_ratio}")
    return policy


def _channel(keys: Keys) -> Channel:
    return Channel(
        name=keys.text("name"),
        mean=keys.number("mean"),
        scale=keys.number("scale", above=0),
        low=keys.number("low"),
        high=keys.number("high"),
        unit=keys.optional("unit", keys.text),
        longest_flat=keys.optional("longest_flat", lambda key: keys.integer(key, low=1)),
    )


def read_score(keys: Keys, signal: SignalSpec) -> ScoreSpec:
    """Read a score spec for that signal, checking every value."""
    nearest = keys.optional("nearest", lambda key: _nearest(keys.section(key), signal))
    prediction = _term(keys.section("prediction"), len(signal.channels))
    return ScoreSpec(prediction, nearest, keys.number("residual_clip", above=0))


def _term(keys: Keys, channels: int) -> TermSpec:
    scales = keys.get("residual_scale", list)
    good = [isinstance(value, (int, float)) and math.isfinite(value) and value > 0 for value in scales]
    if len(scales) != channels or not all(good):
        raise keys.error(f"{keys.where}: residual_scale: expected {channels} numbers above 0")
    smoothing = keys.number("smoothing", above=0)
    if smoothing > 1:
        raise keys.error(f"{keys.where}: smoothing: expected a number in (0, 1], found {smoothing}")
    return TermSpec(tuple(float(value) for value in scales), smoothing, keys.number("level", above=0))


def _nearest(keys: Keys, signal: SignalSpec) -> PrototypeSpec:
    stored = keys.section("prototypes")
    prototypes = Prototypes(
        stored.integer("count", low=1, high=MAX_PROTOTYPES), stored.text("dtype"), stored.text("values")
    )
    if prototypes.dtype not in ("int8", "float32"):
        raise stored.error(f"{stored.where}: dtype: expected int8 or float32, found {prototypes.dtype!r}")
    try:
        windows = prototypes.windows()
    except ValueError as error:
        raise stored.error(f"{stored.where}: values: {error}") from None
    length = signal.window * len(signal.channels)
    if windows.shape[1] != length or not np.isfinite(windows).all():
        raise stored.error(f"{stored.where}: values: expected {prototypes.count} windows of {length} finite values")
    return PrototypeSpec(prototypes, _term(keys.section("term"), len(signal.channels)))


def _quantization(keys: Keys, name: str) -> Quantization | None:
    if keys.document.get(name) is None:
        return None
    tensor = keys.section(name)
    return Quantization(tensor.number("scale", above=0), tensor.integer("zero_point", low=-128, high=127))
