"""Small pairs of C files as vedette would generate them, and the machines to run them on."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from required import missing

from vedette.compress.boards import get_board
from vedette.firmware_bridge.machine.emulator import EmulatedBoard
from vedette.firmware_bridge.machine.program import DetectorProgram, NetworkProgram

CORES = ("rp2040", "qemu-cortex-m3", "qemu-cortex-m4", "qemu-cortex-m7", "qemu-cortex-m33", "qemu-cortex-m55")
WORDS = 8
SIZE = 16

_HEADER = f"""
#ifndef SMALL_H
#define SMALL_H
#include <stdint.h>
#define SMALL_INPUT_SIZE {SIZE}
#define SMALL_OUTPUT_SIZE {SIZE}
typedef struct {{ uint32_t words[{WORDS}]; }} small_arena_t;
void small_run(small_arena_t *arena, const int8_t input[SMALL_INPUT_SIZE], int8_t output[SMALL_OUTPUT_SIZE]);
#endif
"""
_RUN = "void small_run(small_arena_t *arena, const int8_t input[SMALL_INPUT_SIZE], int8_t output[SMALL_OUTPUT_SIZE])"
# Gives each element plus one, wrapped; "body" goes before that.
PLUS_ONE = """
    for (int32_t i = 0; i < SMALL_OUTPUT_SIZE; i++) {
        output[i] = (int8_t)(uint8_t)((uint32_t)input[i] + 1u);
    }
"""
_DETECTOR_HEADER = """
#ifndef LEVEL_H
#define LEVEL_H
#include <stdint.h>
#define LEVEL_CHANNELS 2
#define LEVEL_TOP_CHANNELS 1
#define LEVEL_SCORED 2
typedef struct { float share, observed, expected; uint16_t channel; } level_share_t;
typedef struct { double score; float parts[LEVEL_CHANNELS]; uint32_t count; } level_t;
void level_init(level_t *self);
int level_push(level_t *self, const float values[LEVEL_CHANNELS], uint32_t time_ms);
double level_severity(const level_t *self);
void level_shares(const level_t *self, level_share_t shares[LEVEL_TOP_CHANNELS]);
int level_selftest(level_t *self);
#endif
"""
_DETECTOR = """
#include "level.h"
void level_init(level_t *self) {
    self->score = 0.0;
    self->parts[0] = 0.0f;
    self->parts[1] = 0.0f;
    self->count = 0;
}
int level_push(level_t *self, const float values[LEVEL_CHANNELS], uint32_t time_ms) {
    self->count++;
    for (int i = 0; i < LEVEL_CHANNELS; i++) {
        self->parts[i] = values[i] * values[i];
    }
    const double old = self->score * 0.9;
    const double sum = (double)self->parts[0] + (double)self->parts[1];
    self->score = old + sum * 0.1;
    return (time_ms > 1000u ? 1 : 0) | (self->count > 3u ? LEVEL_SCORED : 0);
}
double level_severity(const level_t *self) {
    return self->score / 3.0;
}
void level_shares(const level_t *self, level_share_t shares[LEVEL_TOP_CHANNELS]) {
    shares[0].share = 1.0f;
    shares[0].observed = self->parts[1];
    shares[0].expected = -0.5f;
    shares[0].channel = 513;
}
int level_selftest(level_t *self) {
    self->count = 7;
    return SELFTEST;
}
"""


def emulated(board: str) -> EmulatedBoard:
    """The core of that board; skips where it cannot be compiled for or emulated."""
    needs("arm-none-eabi-gcc")
    needs("qemu-system-arm")
    return EmulatedBoard(get_board(board))


def needs(program: str) -> None:
    """Skip where that program is not installed."""
    if shutil.which(program) is None:
        missing(f"{program} is not installed", "make system-packages")


def network(folder: Path, body: str = PLUS_ONE, before: str = "") -> NetworkProgram:
    """A network of that body, with ``before`` outside of the function."""
    (folder / "small.h").write_text(_HEADER)
    (folder / "small.c").write_text(f'#include "small.h"\n{before}\n{_RUN};\n{_RUN} {{\n    (void)arena;\n{body}\n}}\n')
    return NetworkProgram("small", (folder / "small.c",), folder)


def detector(folder: Path, selftest: int = 0) -> DetectorProgram:
    """A detector whose score is a smoothed sum of squares, and what its self-test says."""
    (folder / "level.h").write_text(_DETECTOR_HEADER)
    (folder / "level.c").write_text(_DETECTOR.replace("SELFTEST", str(selftest)))
    return DetectorProgram("level", (folder / "level.c",), folder, ("score", "parts"))


def windows(count: int = 6) -> NDArray[np.int8]:
    """Random windows of the network's size."""
    return np.random.default_rng(0).integers(-128, 128, (count, SIZE), dtype=np.int8)
