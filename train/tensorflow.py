"""Where TensorFlow is imported first: late, because it takes seconds, and without its start-up notices.

Models are built with tf_keras (Keras 2): pruning and quantization-aware training refuse Keras 3.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from vedette.errors import DependencyError
from vedette.runtime.inference.quiet import native_stderr_hidden


def import_tensorflow() -> tuple[Any, Any]:
    """Return the modules (tensorflow, tf_keras). Raises :class:`DependencyError` where they are not installed."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with native_stderr_hidden():
            import tensorflow
            import tf_keras
    except ImportError as error:
        raise DependencyError(f'training needs TensorFlow ({error}); try: pip install "vedette[desktop]"') from error
    tensorflow.get_logger().setLevel("ERROR")
    return tensorflow, tf_keras


def import_optimization() -> Any:
    """The module tensorflow_model_optimization. Raises :class:`DependencyError` where it is not installed."""
    import_tensorflow()
    try:
        with quiet_tensorflow():
            import tensorflow_model_optimization
    except ImportError as error:
        raise DependencyError(
            f'this needs tensorflow-model-optimization ({error}); try: pip install "vedette[desktop]"'
        ) from error
    return tensorflow_model_optimization


def quantize_scope() -> Any:
    """The context in which a network that was trained with quantization can be loaded."""
    return import_optimization().quantization.keras.quantize_scope()


@contextmanager
def quiet_tensorflow() -> Iterator[None]:
    """Hide TensorFlow's notices while it converts or saves; errors are shown."""
    with native_stderr_hidden(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
