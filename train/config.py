"""The detector project file, ``vedette.toml``: every key has a default, unknown keys are refused with a hint."""

from __future__ import annotations

import re
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import tomllib

from vedette.errors import ConfigError, nearest
from vedette.runtime.bundles.manifest import MAX_WINDOW
from vedette.runtime.detection.signal import MissingPolicy
from vedette.train.recipe import parse_recipe

ModelKind = Literal["ae", "conv_ae", "vae", "conv_vae"]
# What a key says that the data is to decide, see vedette.train.auto.
Auto = Literal["auto"]
AUTO: Auto = "auto"
KINDS = {
    bool: "true or false",
    str: "text",
    int: "a whole number",
    float: "a number",
    list: "a list of words",
    dict: "a table of words",
}
# Names and versions become parts of file names and topics.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
NAME_RULE = "up to 64 letters, digits, dots, dashes and underscores"
MAX_UNITS = 4096
LARGEST = 1e15


@dataclass(frozen=True)
class SignalSection:
    """What the data is. ``None`` means: found in the data.

    ``timestamp`` defaults to a column named time or timestamp, ``channels`` to every numeric column that is not a time,
    an index or a label. ``units``, by channel, are shown in alerts. ``max_gap_s`` bounds how long a missing value is
    held; the default is one window. ``window`` defaults to 64 samples for up to 4 channels and to 16 for more; "auto"
    spans the period of the signal. Samples at irregular times are put on a grid of ``sample_period_s``; ``resample``
    true does so with any, false with none.
    """

    timestamp: str | None = None
    sample_period_s: float | None = None
    channels: list[str] | None = None
    units: dict[str, str] | None = None
    window: int | Auto | None = None
    stride: int = 1
    missing: MissingPolicy = "hold"
    max_gap_s: float | None = None
    resample: bool | None = None

    def fixed(self, window: int | None) -> SignalConfig:
        """The section with that window; None is the default one."""
        return SignalConfig(**{**vars(self), "window": window})


@dataclass(frozen=True)
class SignalConfig(SignalSection):
    """A signal section whose window is not left to the data."""

    window: int | None = None


@dataclass(frozen=True)
class ModelSection:
    """Which network: kind, size of the latent layer (None: half of the input, 4 to 32), hidden units, seed.

    A ``predictive`` network does not see a window's last row and has to expect it from the rows before; otherwise it
    copies it through the latent layer. What is "auto" is chosen by training several.
    """

    kind: ModelKind | Auto = "vae"
    predictive: bool = True
    latent: int | Auto | None = None
    hidden: int | Auto = 64
    seed: int = 0

    @property
    def auto(self) -> tuple[str, ...]:
        """The keys that are "auto"."""
        return tuple(item.name for item in fields(self) if getattr(self, item.name) == AUTO)

    def fixed(self, **chosen: Any) -> ModelConfig:
        """The section with ``chosen`` values, and the default ones for the other keys that are "auto"."""
        return ModelConfig(**{name: value for name, value in {**vars(self), **chosen}.items() if value != AUTO})


@dataclass(frozen=True)
class ModelConfig(ModelSection):
    """A model section with nothing left to the data: what is trained, and what a model directory keeps."""

    kind: ModelKind = "vae"
    latent: int | None = None
    hidden: int = 64


@dataclass(frozen=True)
class ThresholdConfig:
    """The budget for false alarms: at most one key is set.

    The default is 0.1 alarms a day; where the data has no time base, 5 alarms in 10,000 samples.
    """

    false_alarms_per_day: float | None = None
    false_alarms_per_10k_samples: float | None = None
    quantile: float | None = None


@dataclass(frozen=True)
class AlertConfig:
    """When an incident opens and closes (see :class:`vedette.runtime.alerting.alerts.AlertPolicy`).

    ``clear_after_s`` defaults to two windows.
    """

    min_windows: int = 2
    clear_after_s: float | None = None
    cooldown_s: float = 0.0
    of_windows: int | None = None
    clear_ratio: float = 1.0


@dataclass(frozen=True)
class CompressConfig:
    """How the detector is made small: the steps in their order (see :mod:`vedette.train.recipe`), or "auto" to search.

    None leaves it to the board.
    """

    recipe: list[str] | Auto | None = None


@dataclass(frozen=True)
class ProjectConfig:
    """A whole ``vedette.toml``. ``name`` defaults to the model directory's name."""

    name: str | None = None
    version: str = "1"
    sequence: int = 1
    signal: SignalSection = field(default_factory=SignalSection)
    model: ModelSection = field(default_factory=ModelSection)
    threshold: ThresholdConfig = field(default_factory=ThresholdConfig)
    alert: AlertConfig = field(default_factory=AlertConfig)
    compress: CompressConfig = field(default_factory=CompressConfig)


def load_config(path: Path | None) -> ProjectConfig:
    """Read a project file; None gives the defaults. Raises :class:`ConfigError` that names file and key."""
    if path is None:
        return ProjectConfig()
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error
    config: ProjectConfig = read_section(ProjectConfig, document, str(path))
    _check(config, str(path))
    return config


def read_section(kind: type[Any], document: dict[str, Any], where: str) -> Any:
    """Fill the dataclass ``kind`` from a table; unknown keys and wrong types raise :class:`ConfigError`. A null, which
    JSON has and TOML has not, is the default."""
    hints = get_type_hints(kind)
    for key in document:
        if key not in hints:
            raise ConfigError(f'{where}: unknown key "{key}"; {nearest(key, hints)}')
    values = {}
    for item in fields(kind):
        if document.get(item.name) is None:
            continue
        value, hint = document[item.name], hints[item.name]
        place = f"{where}: {item.name}"
        if item.default is MISSING and item.default_factory is not MISSING:
            if not isinstance(value, dict):
                raise ConfigError(f"{place}: expected a [{item.name}] section, found {value!r}")
            values[item.name] = read_section(hint, value, place)
        else:
            values[item.name] = _value(value, hint, place)
    return kind(**values)


def _value(value: Any, hint: Any, place: str) -> Any:
    """Check a value against a type, or a union of words and at most one other type."""
    options = (hint,) if get_origin(hint) in (Literal, list, dict, None) else get_args(hint)
    words = [word for option in options if get_origin(option) is Literal for word in get_args(option)]
    kinds = [option for option in options if get_origin(option) is not Literal and option is not type(None)]
    if isinstance(value, str) and value in words:
        return value
    if not kinds:
        raise ConfigError(f'{place}: unknown value "{value}"; {nearest(str(value), words)}')
    kind = get_origin(kinds[0]) or kinds[0]
    expected = " or ".join([KINDS[kind], *(f'"{word}"' for word in words)])
    accepted = (int, float) if kind is float else kind
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    good = isinstance(value, accepted) and isinstance(value, bool) == (kind is bool)
    if not good or not all(isinstance(item, str) and item for item in inside):
        meant = f"; {nearest(value, words)}" if words and isinstance(value, str) else ""
        raise ConfigError(f"{place}: expected {expected}, found {value!r:.80}{meant}")
    if kind in (int, float) and not abs(value) <= LARGEST:
        raise ConfigError(f"{place}: expected {KINDS[kind]} of at most {LARGEST:g}, found {value!r:.80}")
    return float(value) if kind is float else value


def _check(config: ProjectConfig, where: str) -> None:
    """Check the ranges that types do not express."""
    budget = config.threshold
    given = [item.name for item in fields(budget) if getattr(budget, item.name) is not None]
    channels, units = config.signal.channels or [], f"1 to {MAX_UNITS}"
    window, latent, hidden = config.signal.window, config.model.latent, config.model.hidden
    checks = [
        (config.name is None or NAME.fullmatch(config.name), "name", NAME_RULE, config.name),
        (NAME.fullmatch(config.version), "version", NAME_RULE, config.version),
        (config.sequence >= 0, "sequence", "0 or more", config.sequence),
        (config.signal.channels != [], "signal: channels", "one channel or more", config.signal.channels),
        (len(set(channels)) == len(channels), "signal: channels", "different words", config.signal.channels),
        (_within(window, 2, MAX_WINDOW), "signal: window", f"2 to {MAX_WINDOW} samples", window),
        (1 <= config.signal.stride <= MAX_WINDOW, "signal: stride", f"1 to {MAX_WINDOW} samples", config.signal.stride),
        (_positive(config.signal.sample_period_s), "signal: sample_period_s", "above 0", config.signal.sample_period_s),
        (_positive(config.signal.max_gap_s), "signal: max_gap_s", "above 0", config.signal.max_gap_s),
        (_within(latent, 1, MAX_UNITS), "model: latent", units, latent),
        (_within(hidden, 1, MAX_UNITS), "model: hidden", units, hidden),
        (0 <= config.model.seed < 2**32, "model: seed", "0 to 4294967295", config.model.seed),
        (len(given) <= 1, "threshold", "one budget", " and ".join(given)),
        (_positive(budget.false_alarms_per_day), "threshold: false_alarms_per_day", "above 0 (no threshold keeps 0)",
         budget.false_alarms_per_day),
        (_positive(budget.false_alarms_per_10k_samples), "threshold: false_alarms_per_10k_samples",
         "above 0 (no threshold keeps 0)", budget.false_alarms_per_10k_samples),
        (budget.quantile is None or 0.5 <= budget.quantile < 1, "threshold: quantile", "0.5 to below 1",
         budget.quantile),
        (config.alert.min_windows >= 1, "alert: min_windows", "1 or more", config.alert.min_windows),
        ((config.alert.clear_after_s or 0) >= 0, "alert: clear_after_s", "0 or more", config.alert.clear_after_s),
        (config.alert.cooldown_s >= 0, "alert: cooldown_s", "0 or more", config.alert.cooldown_s),
        (config.alert.min_windows <= (config.alert.of_windows or MAX_WINDOW) <= MAX_WINDOW, "alert: of_windows",
         f"min_windows or more, to {MAX_WINDOW}", config.alert.of_windows),
        (0 < config.alert.clear_ratio <= 1, "alert: clear_ratio", "above 0, to 1", config.alert.clear_ratio),
    ]  # fmt: skip
    for good, key, expected, found in checks:
        if not good:
            raise ConfigError(f"{where}: {key}: expected {expected}, found {found}")
    if isinstance(config.compress.recipe, list):
        parse_recipe(config.compress.recipe, where=f"{where}: compress: recipe")


def _within(value: int | Auto | None, low: int, high: int) -> bool:
    return not isinstance(value, int) or low <= value <= high


def _positive(value: float | None) -> bool:
    return value is None or value > 0
