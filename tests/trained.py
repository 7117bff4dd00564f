"""Small trained detectors for the tests: one training run for each model kind, once in a session.

The machine has five channels that follow from each other, a sixth that is constant, and a sample every 2 s. Faults are
sized so that a detector that learned anything finds them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from vedette.train.models import MODEL_KINDS

CHANNELS = ("flow", "level", "heat", "power", "speed", "valve")
KINDS = tuple(MODEL_KINDS)
BOARDS = ("x86-64", "coral-usb")
PERIOD_S = 2.0
TRAIN_ROWS, TEST_ROWS = 2500, 900
# First row, last row, channel and size of the labelled faults in the test data.
FAULTS = ((200, 230, 0, 4.0), (450, 500, 1, -6.0), (700, 760, 2, 5.0))


@dataclass(frozen=True)
class TrainedDir:
    """A model directory with the data it was trained on; ``notes`` is what training told about it."""

    path: Path
    data: Path
    notes: tuple[str, ...]


def machine(count: int, seed: int) -> npt.NDArray[np.float64]:
    """Normal operation, ``(count, channels)``: a few tones, what follows from them, and a valve that stays open."""
    rng = np.random.default_rng(seed)
    time = np.arange(count) * PERIOD_S
    flow = 10 + 3 * np.sin(2 * np.pi * time / 90) + rng.normal(0, 0.3, count)
    level = 200 - 4 * flow + rng.normal(0, 1.0, count)
    heat = 0.02 + 0.001 * np.cos(2 * np.pi * time / 240) + rng.normal(0, 0.0002, count)
    power = 1000 + 30 * flow + 2000 * heat + rng.normal(0, 5.0, count)
    speed = 50 + 0.5 * flow - 0.1 * level + rng.normal(0, 0.2, count)
    return np.column_stack([flow, level, heat, power, speed, np.full(count, 1.0)])


def faulty_machine(seed: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int8]]:
    """Operation with three labelled faults, each a shift of one channel by some of its spreads."""
    values, label = machine(TEST_ROWS, seed), np.zeros(TEST_ROWS, np.int8)
    spread = machine(TRAIN_ROWS, 1).std(axis=0)
    for first, last, channel, size in FAULTS:
        values[first : last + 1, channel] += size * spread[channel]
        label[first : last + 1] = 1
    return values, label


def write_csv(
    path: Path,
    values: npt.NDArray[np.float64],
    *,
    label: npt.NDArray[np.int8] | None = None,
    times: bool = True,
    names: tuple[str, ...] = CHANNELS,
) -> Path:
    """Write a table; times start at 2026-01-01 and have one period between them."""
    header = [*(["time"] if times else []), *names, *(["label"] if label is not None else [])]
    lines = [",".join(header)]
    start = np.datetime64("2026-01-01T00:00:00")
    for row, cells in enumerate(values):
        parts = [f"{start + np.timedelta64(int(row * PERIOD_S), 's')}Z"] if times else []
        parts += [repr(float(cell)) for cell in cells]
        parts += [str(int(label[row]))] if label is not None else []
        lines.append(",".join(parts))
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="session")
def normal_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Normal operation."""
    return write_csv(tmp_path_factory.mktemp("normal") / "train.csv", machine(TRAIN_ROWS, 1))


@pytest.fixture(scope="session")
def faulty_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Operation with three labelled faults."""
    values, label = faulty_machine(2)
    return write_csv(tmp_path_factory.mktemp("faulty") / "test.csv", values, label=label)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, normal_csv: Path) -> dict[str, TrainedDir]:
    """A model directory for each model kind."""
    from vedette.train.config import ModelConfig, ProjectConfig
    from vedette.train.pipeline import train

    folder = tmp_path_factory.mktemp("trained")
    found = {}
    for kind in KINDS:
        config = ProjectConfig(model=ModelConfig(kind=kind, hidden=32, seed=5))
        model, notes = train(normal_csv, config, folder / kind)
        found[kind] = TrainedDir(model.path, normal_csv, notes)
    return found


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory, trained: dict[str, TrainedDir]) -> dict[str, Path]:
    """A bundle for each model kind and board, by ``kind-board``; coral-usb is per-tensor with a batch of one."""
    from vedette.compress.export import export

    folder = tmp_path_factory.mktemp("exported")
    return {
        f"{kind}-{board}": export(model.path, board, folder / f"{kind}-{board}.vdt").path
        for kind, model in trained.items()
        for board in BOARDS
    }
