"""The model kinds, one module each. A new kind is one module of its name here, and its name in ``config.ModelKind``.

Every kind builds a *core*, the network that is saved, and a *head*, the part of it that is deployed: a flat float32
window ``(batch, window * channels)`` in, rows oldest first, the expected last row ``(batch, channels)`` out.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Protocol, cast, get_args

from vedette.train import config


class ModelKind(Protocol):
    """What a module of this package provides."""

    def build(self, window: int, channels: int, config: config.ModelConfig) -> Any:
        """The untrained core, a functional tf_keras model with a layer "reconstruction"."""

    def trainer(self, core: Any) -> Any:
        """An uncompiled tf_keras model of windows that shares the core's weights and owns what only training needs."""

    def head(self, core: Any, channels: int) -> Any:
        """The deployed part of a trained core: window in, expected last row out."""


MODEL_KINDS = {name: cast(ModelKind, import_module(f"{__name__}.{name}")) for name in get_args(config.ModelKind)}
