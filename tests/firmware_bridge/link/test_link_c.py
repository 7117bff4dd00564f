"""The C half against the Python half."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from c_harness import STRICT, c_harness, gcc, run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from required import missing

from vedette.benchmarks.link_noise import run_noise
from vedette.firmware_bridge.link import c_side, messages
from vedette.firmware_bridge.link.frames import MAX_PAYLOAD, Frame, FrameDecoder, encode
from vedette.firmware_bridge.link.messages import (
    AlertStep,
    Channels,
    ChannelUnit,
    Error,
    Hello,
    Log,
    Samples,
    Score,
    Share,
    TimeReply,
)

__all__ = ["c_harness"]
pytestmark = pytest.mark.slow


def test_what_c_sends_python_reads(c_harness: Path) -> None:
    decoder = FrameDecoder()
    frames = decoder.feed(run(c_harness, "messages").stdout)
    assert [frame.sequence for frame in frames] == list(range(len(frames)))
    hello, channels, samples, score, new, again, end, log, reply, error = (
        messages.read(frame.type, frame.payload) for frame in frames
    )
    assert hello == Hello(0xDEADBEEF, 10_000, True, 3, "pump-7", "fw 1.4", "pump", "2.0", 7)
    assert channels == Channels(
        0, (ChannelUnit("vib_x", "mm/s"), ChannelUnit("vib_y", "mm/s"), ChannelUnit("temp", ""))
    )  # fmt: skip
    assert isinstance(samples, Samples)
    assert samples.time_ms == 0xFFFFFFFF
    np.testing.assert_array_equal(samples.values, np.array([[0, 1.5, -2.25], [np.nan, 0, 3e38]], np.float32))
    assert score == Score(5, 0.1, 2.5)
    assert new == again == AlertStep(3, 1, "new", 90, 60, 0, 5.0, 2.5, 5.5, (Share(2, 0.75, 9.5, 1.0),))
    assert end == AlertStep(3, 2, "end", 90, 60, 80, 5.0, 2.5, 5.5, ())
    assert log == Log(8, 30, "low battery")
    assert reply == TimeReply(77, 1234)
    assert error == Error(1, "the gateway speaks version 255 of the link, this firmware version 1")


@given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=MAX_PAYLOAD)), max_size=10))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_c_decodes_and_encodes_to_the_same_bytes_as_python(c_harness: Path, sent: list[tuple[int, bytes]]) -> None:
    wire = b"".join(encode(Frame(kind, number, payload)) for number, (kind, payload) in enumerate(sent))
    assert run(c_harness, "echo", wire).stdout == wire


@pytest.mark.parametrize("size", [*range(236, 256), *range(490, 513)])
def test_c_encodes_around_the_block_boundaries(c_harness: Path, size: int) -> None:
    wire = b"".join(
        encode(Frame(4, 7, payload)) for payload in (b"\x55" * size, bytes(size), b"\x55" * (size - 1) + b"\0")
    )
    assert run(c_harness, "echo", wire).stdout == wire


@given(st.binary(max_size=3000))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_bytes_break_the_c_decoder(c_harness: Path, noise: bytes) -> None:
    good = encode(Frame(4, 1, b"good"))
    assert run(c_harness, "echo", noise + b"\0" + good).stdout.endswith(good)


def test_c_accepts_no_damaged_frame_and_the_same_ones_as_python(c_harness: Path) -> None:
    def decode(wire: bytes) -> list[Frame]:
        found = FrameDecoder().feed(run(c_harness, "echo", wire).stdout)
        assert found == FrameDecoder().feed(wire)
        return found

    result = run_noise(10_000, seed=5, decode=decode)
    assert result.bad == 0
    assert result.longest_loss <= 2


@pytest.mark.parametrize("core", ["cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m33"])
def test_it_compiles_for_a_microcontroller_without_a_warning_or_a_library(tmp_path: Path, core: str) -> None:
    compiler = shutil.which("arm-none-eabi-gcc") or missing("no ARM compiler", "apt install gcc-arm-none-eabi")
    target = tmp_path / "link.o"
    flags = [*STRICT, f"-mcpu={core}", "-mthumb", "-Os", "-ffreestanding"]
    subprocess.run([compiler, *flags, "-c", c_side.SOURCE, "-o", target], check=True)
    names = subprocess.run(["arm-none-eabi-nm", "-u", target], capture_output=True, text=True, check=True).stdout
    assert {line.split()[-1] for line in names.splitlines()} <= {"memcpy", "memset", "strlen"}
    sizes = subprocess.run(["arm-none-eabi-size", target], capture_output=True, text=True, check=True).stdout
    _text, data, bss = (int(word) for word in sizes.splitlines()[1].split()[:3])
    assert data == bss == 0


def test_the_header_is_good_c_plus_plus(tmp_path: Path) -> None:
    source = tmp_path / "use.cpp"
    source.write_text('#include "vedette_link.h"\nint main() { vedette_link_ring_t ring; (void)ring; return 0; }\n')
    compiler = shutil.which("g++") or missing("g++ is not installed", "apt install g++")
    flags = ["-std=c++11", "-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only"]
    subprocess.run([compiler, *flags, "-I", c_side.HEADER.parent, source], check=True)


def test_the_example_in_the_documentation_compiles(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs/link.md").read_text()
    example, alerts = re.findall(r"```c\n(.*?)```", page, re.DOTALL)
    source = tmp_path / "main.c"
    before, after = alerts.split("vedette_link_outbox_add", 1)
    source.write_text(
        f"{STUBS}{example}{before}void relay(vedette_link_alert_t alert, uint32_t incident, uint16_t step)\n"
        f"{{\nvedette_link_outbox_add{after}}}\n"
    )
    flags = [*STRICT, "-Wno-missing-prototypes", "-fsyntax-only"]
    subprocess.run([gcc(), *flags, "-I", c_side.HEADER.parent, source], check=True)


def test_the_ring_loses_no_byte_between_two_threads(tmp_path: Path) -> None:
    source = tmp_path / "ring.c"
    source.write_text(RING)
    program = tmp_path / "ring"
    flags = ["-std=c99", "-O1", "-g", "-fsanitize=thread", "-pthread", "-D_POSIX_C_SOURCE=200809L"]
    subprocess.run([gcc(), *flags, "-I", c_side.HEADER.parent, source, c_side.SOURCE, "-o", program], check=True)
    subprocess.run([program], check=True, timeout=60)


STUBS = r"""
#include <stddef.h>
#include <stdint.h>
#define UART_DATA (*(volatile uint8_t *)0x40000000)
extern uint32_t session;
extern float values[2];
uint32_t millis(void);
int sample_is_due(void);
void uart_write(const uint8_t *bytes, size_t count);
"""
RING = r"""
#include <pthread.h>
#include <sched.h>
#include "vedette_link.h"
#define COUNT 300000u
static uint8_t bytes[64];
static vedette_link_ring_t ring;
static void *produce(void *unused)
{
    uint32_t i;
    for (i = 0; i < COUNT; i++)
        while (!vedette_link_ring_put(&ring, (uint8_t)(i * 7u))) sched_yield();
    return unused;
}
int main(void)
{
    pthread_t thread;
    uint32_t i;
    int byte;
    if (vedette_link_ring_init(&ring, bytes, 48) || !vedette_link_ring_init(&ring, bytes, 64)) return 1;
    pthread_create(&thread, NULL, produce, NULL);
    for (i = 0; i < COUNT; i++) {
        while ((byte = vedette_link_ring_get(&ring)) < 0) sched_yield();
        if (byte != (uint8_t)(i * 7u)) return 2;
    }
    pthread_join(thread, NULL);
    return vedette_link_ring_count(&ring) == 0 && vedette_link_ring_free(&ring) == 64 ? 0 : 3;
}
"""
