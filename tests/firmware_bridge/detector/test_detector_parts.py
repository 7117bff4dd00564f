"""The arithmetic of the C, piece by piece, against NumPy's."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from detector_probe import STRICT
from required import missing

from vedette.firmware_bridge.detector.text import part_text, sum_expression

MOST_CHANNELS = 300


def run(folder: Path, source: str, data: bytes) -> bytes:
    """Compile a C program with all warnings, and run it on ``data``."""
    compiler = shutil.which("gcc") or missing("no gcc", "apt-get install gcc")
    (folder / "part.c").write_text(source, encoding="ascii")
    subprocess.run([compiler, *STRICT, "-O2", folder / "part.c", "-o", folder / "part"], check=True)
    return subprocess.run([folder / "part"], input=data, stdout=subprocess.PIPE, check=True).stdout


@pytest.mark.slow
@pytest.mark.parametrize("terms", [1, 2])
@pytest.mark.parametrize("windows", [1, 3])
def test_sums_are_added_up_in_the_order_of_numpy(tmp_path: Path, terms: int, windows: int) -> None:
    counts = range(1, MOST_CHANNELS + 1)
    sums = "\n".join(f"static float sum_{n}(const float *x) {{\n    return {sum_expression(0, n)};\n}}" for n in counts)
    table = ", ".join(f"sum_{n}" for n in counts)
    source = f"""#include <stdio.h>
{part_text("sum.c.in").substitute()}
{sums}
static float (*const sums[])(const float *) = {{{table}}};
int main(void) {{
    static float x[{MOST_CHANNELS}];
    for (size_t count = 1; count <= {MOST_CHANNELS}; count++) {{
        for (int row = 0; row < {windows * terms}; row++) {{
            float sum;
            if (fread(x, sizeof *x, count, stdin) != count) {{
                return 1;
            }}
            sum = sums[count - 1](x);
            fwrite(&sum, sizeof sum, 1, stdout);
        }}
    }}
    return 0;
}}
"""
    rng = np.random.default_rng(0)
    errors = [np.square(rng.normal(0, 10, (windows, terms, count))).astype(np.float32) for count in counts]
    found = np.frombuffer(run(tmp_path, source, b"".join(array.tobytes() for array in errors)), np.float32)
    wanted = np.concatenate([np.add.reduce(array, axis=2).ravel() for array in errors])
    assert found.tobytes() == wanted.tobytes()


def test_the_square_root_is_correctly_rounded(tmp_path: Path) -> None:
    source = f"""#include <stdint.h>
#include <stdio.h>
#include <string.h>
{part_text("sqrt.c.in").substitute()}
int main(void) {{
    double x;
    while (fread(&x, sizeof x, 1, stdin) == 1) {{
        x = detector_sqrt(x);
        fwrite(&x, sizeof x, 1, stdout);
    }}
    return 0;
}}
"""
    rng = np.random.default_rng(0)
    roots = np.concatenate([rng.integers(1, 2**26, 2000).astype(np.float64), rng.uniform(1, 1e9, 2000)])
    squares = roots * roots
    x = np.concatenate(
        [
            2.0 ** rng.uniform(0, 1023, 40_000),
            1.0 + rng.uniform(0, 500, 40_000),
            squares,
            np.nextafter(squares, np.inf),
            np.maximum(np.nextafter(squares, 0), 1.0),
            [1.0, np.nextafter(1.0, 2.0), 2.0, 4.0, np.nextafter(4.0, 0.0), np.finfo(np.float64).max],
        ]
    )
    assert run(tmp_path, source, x.tobytes()) == np.sqrt(x).tobytes()
