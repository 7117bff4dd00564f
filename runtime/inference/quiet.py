"""Keeping native libraries' chatter off the user's terminal."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def native_stderr_hidden() -> Iterator[None]:
    """Hide what C++ code writes to file descriptor 2; where the body raises, it is shown after all.

    TensorFlow and LiteRT announce delegates and CPU features there, and no log level stops them. Python's own stderr
    writes to the same descriptor, so keep the body short.
    """
    sys.stderr.flush()
    try:
        saved = os.dup(2)
    except OSError:  # a service may run without a stderr
        yield
        return
    with tempfile.TemporaryFile() as captured:
        os.dup2(captured.fileno(), 2)
        try:
            yield
        except BaseException:
            captured.seek(0)
            os.write(saved, captured.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(saved, 2)
            os.close(saved)
