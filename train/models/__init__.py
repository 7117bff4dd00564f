"""The model kinds, one module each. A new kind is one module and one line here.

Every kind builds a *core*, the network that is saved, and a *head*, the part of it that is deployed: a flat float32
window ``(batch, window * channels)`` in, rows oldest first, the expected last row ``(batch, channels)`` out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from vedette.train.models import ae, vae

if TYPE_CHECKING:
    from vedette.train.config import ModelConfig


class ModelKind(Protocol):
    """What a module of this package provides."""

    def build(self, window: int, channels: int, config: ModelConfig) -> Any:
        """The untrained core, a functional tf_keras model with a layer "reconstruction"."""

    def trainer(self, core: Any) -> Any:
        """An uncompiled tf_keras model of windows that shares the core's weights and owns what only training needs."""

    def head(self, core: Any, channels: int) -> Any:
        """The deployed part of a trained core: window in, expected last row out."""


MODEL_KINDS: dict[str, ModelKind] = {"ae": ae, "vae": vae}
