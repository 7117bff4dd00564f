"""Fuzz one target by coverage: ``python tests/fuzz/fuzz_atheris.py json corpus/ -max_total_time=3600``.

Needs ``pip install atheris``, of which there are wheels for some systems only; everything after the target's name goes
to libFuzzer. ``fuzz_run.py`` needs nothing.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["vedette"]):
    from fuzz_targets import TARGETS


def main() -> None:
    """Run until libFuzzer ends, or a payload makes the target raise."""
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"expected one of these targets: {', '.join(TARGETS)}")
    target = TARGETS[sys.argv.pop(1)]()
    atheris.Setup(sys.argv, target.feed)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
