"""The C of a bundle's detector: two texts, for the header and the source that also hold its network."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import resources
from string import Template
from typing import Any

import numpy as np

from vedette.firmware_bridge.detector.golden import GoldenSteps, golden_steps
from vedette.firmware_bridge.detector.numbers import Nearest, Numbers, Times, numbers_of
from vedette.firmware_bridge.writer.literals import array, comment, number, words
from vedette.firmware_bridge.writer.pair import Text
from vedette.runtime.alerting.alerts import TOP_CHANNELS, UPDATE_GROWTH
from vedette.runtime.bundles.bundle import Bundle
from vedette.runtime.bundles.manifest import Manifest
from vedette.runtime.detection.reading import SMALLEST_ERROR
from vedette.runtime.detection.signal import SignalSpec
from vedette.runtime.inference.interpreter import Model

# Windows of the self-test: each takes a byte a value, in programs that call it.
GOLDEN_WINDOWS = 4
# NumPy adds up to so many numbers in one go, and halves what is more, at a multiple of eight.
SUM_BLOCK = 128
COMPARED_AT_ONCE = 4
# Longer than a 32-bit count of samples is for ever.
LONGEST_HOLD = 2**32 - 2
SINGLE, DOUBLE = np.dtype(np.float32), np.dtype(np.float64)
Render = Callable[..., str]


def detector_text(bundle: Bundle, name: str, *, model: Model, golden: int = GOLDEN_WINDOWS) -> Text:
    """The detector of a bundle; all that is visible from outside begins with ``name``.

    Its header uses ``NAME_arena_t``, its source calls ``NAME_run``.

    ``model`` is the bundle's in the rounding family of the C; ``golden`` is how many windows the self-test has. Raises
    :class:`BundleError` for a bundle that has no C form.
    """
    manifest = bundle.manifest
    numbers = numbers_of(manifest)
    steps = golden_steps(bundle, model, count=golden)
    names = {"name": name, "macro": name.upper()}

    def render(part: str, **values: Any) -> str:
        return part_text(part).substitute(names, **values)

    source = [
        _numbers(manifest.signal, numbers, render),
        render("row.c.in"),
        _missing(manifest.signal, render),
        *([_nearest(numbers.nearest, render), render("sqrt.c.in")] if numbers.nearest else []),
        render("sum.c.in"),
        _score(manifest.signal, numbers, render),
        _alert(manifest, numbers, render),
        _push(numbers.times, render),
        _shares(manifest.signal, render),
        _selftest(manifest.signal, steps, render),
    ]
    return Text(_header(manifest, numbers, len(steps.windows), render), "\n".join(source))


def sum_expression(start: int, count: int) -> str:
    """How NumPy adds ``count`` numbers from ``x + start`` on.

    >>> sum_expression(0, 4), sum_expression(0, 136)
    ('detector_sum_block(x, 4)', 'detector_sum_block(x, 64) + detector_sum_block(x + 64, 72)')
    """
    if count <= SUM_BLOCK:
        return f"detector_sum_block(x{f' + {start}' if start else ''}, {count})"
    half = count // 2 // 8 * 8
    sums = (sum_expression(start, half), sum_expression(start + half, count - half))
    return " + ".join(f"({part})" if " + detector" in part else part for part in sums)


def c_string(text: str) -> str:
    r"""Text as a C string literal, in UTF-8.

    >>> c_string('a"b\\ °')
    '"a\\"b\\\\ \\302\\260"'
    """
    plain = (chr(byte) if 32 <= byte < 127 and chr(byte) not in '"\\?' else f"\\{byte:03o}" for byte in text.encode())
    return '"' + "".join(plain).replace("\\042", '\\"').replace("\\134", "\\\\") + '"'


def part_text(name: str) -> Template:
    """A piece of the C, with places for names and numbers."""
    parts = resources.files("vedette.firmware_bridge.detector").joinpath("parts")
    return Template(parts.joinpath(name).read_text(encoding="utf-8"))


def _header(manifest: Manifest, numbers: Numbers, golden: int, render: Render) -> str:
    signal, longest = manifest.signal, numbers.times.longest_step
    count, hold = len(signal.channels), signal.missing == "hold"
    return render(
        "detector.h.in",
        window=signal.window,
        stride=signal.stride,
        period=_NO_PERIOD if longest is None else f"{signal.sample_period_s:g} s",
        scored="with every sample" if signal.stride == 1 else f"after every {signal.stride} samples",
        resampled=_RESAMPLED if signal.resampled else "",
        channel_list="\n".join(_channel_line(signal, index) for index in range(count)),
        channels=count,
        terms=len(numbers.level),
        threshold=repr(float(manifest.threshold)),
        top_channels=min(TOP_CHANNELS, count),
        missing_when=f" for more than {signal.max_hold} sample(s), or from the start" if hold else "",
        gap_when="never: there is no time base" if longest is None else f"more than {longest} ms without a sample",
        terms_are="the network's error" + (", and the nearest prototype's" if numbers.nearest else ""),
        min_windows=manifest.alert.min_windows,
        hold_fields=_HOLD_FIELDS.substitute(count=count, held_type=_held_type(signal)) if hold else "",
        golden=golden,
    )


def _channel_line(signal: SignalSpec, index: int) -> str:
    channel = signal.channels[index]
    unit = f" {channel.unit}" if channel.unit else ""
    return " *   " + comment(f"{index}  {channel.name}: {channel.low:g} to {channel.high:g}{unit}")


def _numbers(signal: SignalSpec, numbers: Numbers, render: Render) -> str:
    return render(
        "numbers.c.in",
        mean=words(signal.mean),
        scale=words(signal.scale),
        whiten=words(numbers.whiten.ravel()),
        weight=_literals(numbers.weight),
        level=_literals(numbers.level),
        input_scale=number(np.float32(numbers.input.scale), SINGLE),
        input_zero=_whole(numbers.input.zero_point),
        input_low=_whole(numbers.low),
        input_high=_whole(numbers.high),
        output_scale=number(np.float32(numbers.output.scale), SINGLE),
        output_zero=_whole(numbers.output.zero_point),
        residual_clip=number(numbers.residual_clip, SINGLE),
        standardised_limit=number(numbers.limit, SINGLE),
        max_reading=number(numbers.max_reading, SINGLE),
    )


def _missing(signal: SignalSpec, render: Render) -> str:
    if signal.missing == "hold":
        return render("missing_hold.c.in", max_hold=min(signal.max_hold, LONGEST_HOLD))
    return render("missing_reject.c.in")


def _nearest(nearest: Nearest, render: Render) -> str:
    """Four are compared at a time: where there are fewer, the last one stands there several times."""
    count = len(nearest.windows)
    rows = np.minimum(np.arange(max(count, COMPARED_AT_ONCE)), count - 1)
    title = f"{count} windows of normal operation, oldest sample first, in steps of the network's input"
    return render(
        "nearest.c.in",
        prototypes=array("detector_prototypes", nearest.windows[rows], title),
        squares=array("detector_squares", nearest.squares[rows], "the sum of each one's squares"),
        prototype_count=len(rows),
        as_what="; as floats they tie where they do on a gateway" if nearest.as_floats else "",
        bracket_type="float" if nearest.as_floats else "int32_t",
        bracket_cast="(float)" if nearest.as_floats else "",
    )


def _score(signal: SignalSpec, numbers: Numbers, render: Render) -> str:
    both = "detector_sqrt((self->terms[0] + 1.0) * (self->terms[1] + 1.0)) - 1.0"
    return render(
        "score.c.in",
        sum=sum_expression(0, len(signal.channels)),
        nearest_term=render("nearest_term.c.in") if numbers.nearest else "",
        score=both if numbers.nearest else "self->terms[0]",
    )


def _alert(manifest: Manifest, numbers: Numbers, render: Render) -> str:
    policy, times = manifest.alert, numbers.times
    step = times.longest_window_step
    return render(
        "alert.c.in",
        min_windows=policy.min_windows,
        of_windows=policy.span,
        clear_after_ms=times.clear_after,
        cooldown_ms=times.cooldown,
        clear_line=number(manifest.threshold * policy.clear_ratio, DOUBLE),
        update_growth=repr(UPDATE_GROWTH),
        window_gap="" if step is None else render("window_gap.c.in", longest_window_step_ms=step),
    )


def _push(times: Times, render: Render) -> str:
    step = times.longest_step
    return render(
        "push.c.in",
        sample_gap="" if step is None else render("sample_gap.c.in", longest_step_ms=step),
        same_ms="" if times.several else "step == 0 || ",
    )


def _shares(signal: SignalSpec, render: Render) -> str:
    names = "\n".join(f"        {c_string(name)}," for name in signal.names)
    return render("shares.c.in", smallest_error=number(SMALLEST_ERROR, SINGLE), channel_names=names)


def _selftest(signal: SignalSpec, steps: GoldenSteps, render: Render) -> str:
    return render(
        "selftest.c.in",
        golden=len(steps.windows),
        golden_windows=array("detector_golden_windows", steps.windows, "samples, oldest first"),
        golden_outputs=array("detector_golden_outputs", steps.outputs, "in steps of the network's output"),
        golden_scores=array("detector_golden_scores", steps.scores, "after a fresh start"),
        golden_step_ms=max(1, int(signal.period_s * 1000)),
    )


def _literals(values: Iterable[Any]) -> str:
    """Numbers of a NumPy array, one after the other."""
    return ", ".join(number(value, value.dtype) for value in values)


def _whole(value: int) -> str:
    return f"({value})" if value < 0 else str(value)


def _held_type(signal: SignalSpec) -> str:
    """The smallest type that counts to ``max_hold`` + 1."""
    return next(f"uint{bits}_t" for bits in (8, 16, 32) if min(signal.max_hold, LONGEST_HOLD) + 1 < 2**bits)


_NO_PERIOD = "1,000 ms (there is no time base: durations count samples)"
_RESAMPLED = """\
 * In training, irregular samples were put on a grid of that period. Samples here are rows of that grid: push the mean
 * of what was measured since the last push, once every period.
"""
_HOLD_FIELDS = Template("""\
    float last[$count];  /* each channel's last value, in its unit */
    $held_type held[$count];  /* for how many samples it has stood in */
""")
