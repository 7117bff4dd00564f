"""Whether a detector fits a microcontroller, with the arithmetic in the error."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from command import Refused, vedette
from trained import CHANNELS, TrainedDir

from vedette.compress.boards import Board, get_board
from vedette.compress.fit import Need, need, require_fit
from vedette.errors import BoardError
from vedette.runtime.bundles import bundle as bundles


def small(board: Board, flash_kb: float, ram_kb: float) -> Board:
    """The same microcontroller with that much memory."""
    assert board.flash_kb
    assert board.ram_kb
    return replace(board, flash_kb=replace(board.flash_kb, value=flash_kb), ram_kb=replace(board.ram_kb, value=ram_kb))


def test_what_fits_passes_to_the_last_byte() -> None:
    board = small(get_board("nano33-ble"), 2, 1)
    require_fit(board, Need({"weights": 2048}, {"activations": 1024}))


def test_what_does_not_fit_is_refused_with_need_have_excess_and_remedy() -> None:
    board = small(get_board("nano33-ble"), 2, 1)
    with pytest.raises(BoardError) as error:
        require_fit(board, Need({"weights": 2000, "prototypes": 50}, {"activations": 1000, "window": 100}))
    said = str(error.value)
    assert "flash: needs 2,050 B (weights 2,000 B), nano33-ble has 2,048 B, too much by 2 B" in said
    assert "RAM: needs 1,100 B (activations 1,000 B), nano33-ble has 1,024 B, too much by 76 B" in said
    assert "vedette compress MODEL_DIR -o DIR --recipe auto --board nano33-ble" in said


@pytest.mark.slow
def test_need_counts_weights_and_the_two_largest_neighbours(
    trained: dict[str, TrainedDir], exported: dict[str, Path]
) -> None:
    bundle = bundles.read(exported["ae-x86-64"])
    found = need(bundle.model_bytes, bundle.manifest.signal, bundle.manifest.score)
    window, channels, hidden, latent = 16 * len(CHANNELS), len(CHANNELS), 32, 32
    kernels = window * hidden + hidden * latent + latent * hidden + hidden * channels
    biases = 4 * (hidden + latent + hidden + channels)
    assert found.flash["weights"] == kernels + biases
    assert found.ram["activations"] == window + hidden
    assert found.ram["window"] == window
    assert found.flash["prototypes"] == 0
    assert np.sum(list(found.flash.values())) < len(bundle.model_bytes) + 2000


@pytest.mark.slow
def test_a_bundle_for_a_microcontroller_is_made_of_its_own_bits(trained: dict[str, TrainedDir], tmp_path: Path) -> None:
    path = tmp_path / "mcu.vdt"
    assert vedette("export", trained["conv_vae"].path, "--board", "nano33-ble", "-o", path).code == 0
    bundle = bundles.read(path)
    runtime = bundle.manifest.runtime
    assert (runtime.package, runtime.family) == ("firmware", "D")
    assert bundle.load_model().family == "D"
    assert vedette("selftest", path).code == 0


@pytest.mark.slow
def test_a_detector_that_does_not_fit_leaves_no_bundle(
    trained: dict[str, TrainedDir], tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = small(get_board("nano33-ble"), 1, 1)
    monkeypatch.setattr("vedette.compress.boards.get_board", lambda name: tiny)
    refused(BoardError, ["flash: needs", "too much by"], "export", trained["ae"].path, "--board", "nano33-ble",
            "-o", tmp_path / "no.vdt")  # fmt: skip
