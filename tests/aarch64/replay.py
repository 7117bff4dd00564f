"""Everything that a bundle computes on this machine, as files: ``replay.py INTERPRETER DATA OUTPUT BUNDLE...``.

``OUTPUT/NAME.csv`` is what ``vedette score`` writes for the data; ``OUTPUT/NAME.npz`` has the model's raw outputs for
the golden windows and for random inputs. One process takes all bundles: under an emulator, most of the time goes into
imports.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from vedette.runtime.bundles import bundle as bundles
from vedette.runtime.bundles.selftest import replay
from vedette.runtime.commands import selftest
from vedette.train.commands import score

RANDOM_WINDOWS = 200


def main(interpreter: str, data: str, output: Path, paths: list[Path]) -> None:
    """Write the files of every bundle."""
    for path in paths:
        chosen = ["--interpreter", interpreter]
        selftest.main([str(path), *chosen], standalone_mode=False)
        score.main([str(path), data, "-o", str(output / f"{path.stem}.csv"), *chosen], standalone_mode=False)
        bundle = bundles.read(path)
        model = bundle.load_model(package=interpreter)
        golden, _ = replay(bundle.manifest, model, bundle.golden.windows)
        inputs = np.random.default_rng(11).integers(-128, 128, (RANDOM_WINDOWS, 1, *model.input.shape[1:]), np.int8)
        outputs = np.concatenate([model.run(window) for window in inputs])
        np.savez(output / f"{path.stem}.npz", golden=golden, random=outputs)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), [Path(name) for name in sys.argv[4:]])
