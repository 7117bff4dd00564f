"""The Edge TPU: what its compiler takes, what is rewritten for it, and running it.

The compiler itself cannot be had here, so a script stands in for it where it is run.
"""

from __future__ import annotations

import dataclasses
import os
import shlex
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from required import missing
from test_slim import assert_same_outputs, dense_network, other
from tiny import tiny_model
from trained import KINDS

from vedette.compress import flatbuffer
from vedette.compress.board import Accelerator
from vedette.compress.boards import get_board
from vedette.compress.edgetpu.check import COMPILED, Report, check
from vedette.compress.edgetpu.compiler import command, compile_model
from vedette.compress.edgetpu.rewrite import rewrite
from vedette.compress.edgetpu.speed import Estimate, estimate, macs
from vedette.compress.slim import slim
from vedette.errors import ModelError
from vedette.runtime.bundles import bundle as bundles
from vedette.runtime.inference.interpreter import Model

schema = flatbuffer.schema
# A dense network of 784-128-10 on a Coral Dev Board, 50,000 windows: 1876 ms on the chip and 700 ms on the CPU
# (https://github.com/google-coral/edgetpu/issues/89).
INVOKE_US, CPU_MACS_PER_US = 37.5, 7260.0
# What the real one prints where everything maps.
LOG = """\
Edge TPU Compiler version 16.0.384591198
Started a compilation timeout timer of 180 seconds.

Model compiled successfully in 42 ms.

Number of Edge TPU subgraphs: 1
Total number of operations: 1
Compilation succeeded!
"""
PARTLY = "Number of operations that will run on Edge TPU: 3\nNumber of operations that will run on CPU: 2\n"


@pytest.fixture
def accelerator() -> Accelerator:
    found = get_board("coral-usb").accelerator
    assert found is not None
    return found


def changed(change: Callable[[Any, Any], object], model: bytes | None = None) -> bytes:
    """A dense model with ``change`` made to its tables and its first operator."""
    graph = flatbuffer.read(model or tiny_model())
    change(graph, graph.subgraphs[0].operators[0])
    return flatbuffer.write(graph)


def tensor(graph: Any, index: int) -> Any:
    return graph.subgraphs[0].tensors[index]


def lines(report: Report) -> str:
    return "\n".join(map(str, report.findings))


def set_kind(graph: Any, name: str) -> None:
    code = graph.operatorCodes[0]
    code.builtinCode = code.deprecatedBuiltinCode = getattr(schema.BuiltinOperator, name)


def without_bias(graph: Any, operator: Any) -> None:
    operator.inputs = operator.inputs[:2]
    graph.operatorCodes[0].version = 6


def with_open_batch(graph: Any, operator: Any) -> None:
    for index in (0, 3):
        tensor(graph, index).shapeSignature = np.array([-1, tensor(graph, index).shape[1]], np.int32)


def grown(graph: Any, operator: Any) -> None:
    tensor(graph, 0).shape, tensor(graph, 3).shape = np.array([2, 12], np.int32), np.array([2, 3], np.int32)


def four_dimensional(graph: Any, operator: Any) -> None:
    tensor(graph, 3).shape = np.array([3, 1, 1, 1], np.int32)


def float_window(graph: Any, operator: Any) -> None:
    tensor(graph, 0).type = schema.TensorType.FLOAT32


def unscaled_window(graph: Any, operator: Any) -> None:
    tensor(graph, 0).quantization = None


def computed_weights(graph: Any, operator: Any) -> None:
    tensor(graph, 1).buffer = 0


def shuffled(graph: Any, operator: Any) -> None:
    operator.builtinOptions.weightsFormat = schema.FullyConnectedOptionsWeightsFormat.SHUFFLED4x16INT8


def newer(graph: Any, operator: Any) -> None:
    graph.operatorCodes[0].version = 9


def keeping_dimensions(graph: Any, operator: Any) -> None:
    newer(graph, operator)
    operator.builtinOptions.keepNumDims = True
    tensor(graph, 0).shape = np.array([1, 1, 12], np.int32)


def of_another_kind(graph: Any, operator: Any) -> None:
    set_kind(graph, "SVDF")


def two_graphs(graph: Any, operator: Any) -> None:
    graph.subgraphs = [*graph.subgraphs, *graph.subgraphs]


def softmax_of_a_window(graph: Any, operator: Any) -> None:
    set_kind(graph, "SOFTMAX")
    operator.inputs = operator.inputs[:1]
    tensor(graph, 0).shape = np.array([1, 20_000], np.int32)


def pooled_with_activation(graph: Any, operator: Any) -> None:
    set_kind(graph, "MAX_POOL_2D")
    operator.inputs = operator.inputs[:1]
    operator.builtinOptionsType, operator.builtinOptions = schema.BuiltinOptions.Pool2DOptions, schema.Pool2DOptionsT()
    operator.builtinOptions.fusedActivationFunction = 1


def dilated(graph: Any, operator: Any) -> None:
    set_kind(graph, "CONV_2D")
    operator.builtinOptionsType, operator.builtinOptions = schema.BuiltinOptions.Conv2DOptions, schema.Conv2DOptionsT()
    operator.builtinOptions.dilationHFactor, operator.builtinOptions.dilationWFactor = 1, 2


@pytest.mark.parametrize(
    ("change", "rule", "fix"),
    [
        (with_open_batch, "shapes must be constant, found [-1, 12]", "export for a Coral board"),
        (grown, "the batch must be 1, found [2, 12]", "export for a Coral board"),
        (grown, "its output must be one-dimensional, found [2, 3]", "flatten its input"),
        (four_dimensional, "only the last 3 dimensions", "reshape it"),
        (float_window, 'tensor "window" must be int8 or uint8, found float32', "quantize the whole model"),
        (unscaled_window, 'tensor "window" has no scale', "quantize the whole model"),
        (computed_weights, "its weights must be constant", "train a network"),
        (shuffled, "default format, found shuffled", "convert the model again"),
        (newer, "up to version 4, found version 9", "the export lowers it"),
        (without_bias, "up to version 4, found version 6", "use a bias"),
        (keeping_dimensions, "up to version 4, found version 9", "flat inputs"),
        (of_another_kind, "SVDF is not supported", "docs/coral.md"),
        (two_graphs, "expected one graph, found 2", "without them"),
        (softmax_of_a_window, "at most 16,000 values, found [1, 20000]", "flatten it"),
        (pooled_with_activation, "must not have an activation", "a layer of its own"),
        (dilated, "dilations must be equal, found 1 and 2", "dilate both"),
    ],
)
def test_a_broken_rule_is_named_with_its_layer_and_fix(
    change: Callable[[Any, Any], object], rule: str, fix: str, accelerator: Accelerator
) -> None:
    report = check(changed(change), accelerator)
    (found,) = [finding for finding in report.findings if rule in finding.rule]
    assert fix in found.fix
    assert found.layer.startswith(("operator 0, ", "input", "model"))
    assert not report.maps_wholly
    assert "0 of 1 operators run on the Edge TPU" in str(report)


def test_a_layer_is_named_by_number_kind_name_and_shapes(accelerator: Accelerator) -> None:
    (finding,) = check(changed(newer), accelerator).findings
    assert finding.layer == 'operator 0, FULLY_CONNECTED "expected_row", [1, 12] x [3, 12] -> [1, 3]'
    assert finding.operator == 0


def test_a_slim_model_is_checked_too_though_its_layers_have_no_names(accelerator: Accelerator) -> None:
    (finding,) = check(slim(changed(newer)), accelerator).findings
    assert finding.layer == "operator 0, FULLY_CONNECTED, [1, 12] x [3, 12] -> [1, 3]"


def test_a_model_that_keeps_the_rules_maps_wholly(accelerator: Accelerator) -> None:
    report = check(tiny_model(), accelerator)
    assert (report.operators, report.mapped, report.findings) == (1, 1, ())
    assert str(report) == "1 of 1 operators run on the Edge TPU"


def test_what_comes_after_the_first_unsupported_operator_runs_on_the_cpu(accelerator: Accelerator) -> None:
    model = dense_network([12, 7, 9, 5], per_channel=False, seed=2)
    assert check(model, accelerator).mapped == 3

    def second_with_two_scales(graph: Any, operator: Any) -> None:
        weights = tensor(graph, int(graph.subgraphs[0].operators[1].inputs[1]))
        weights.quantization.scale = np.full(9, 0.01, np.float32)

    report = check(changed(second_with_two_scales, model), accelerator)
    assert report.mapped == 1
    assert "must have one scale, found 9" in lines(report)
    assert "the other 2 on the CPU" in str(report)


def test_parameters_beyond_the_chips_memory_are_named_but_map(accelerator: Accelerator) -> None:
    memory = dataclasses.replace(accelerator.memory_mb, value=0.00001)
    report = check(tiny_model(), dataclasses.replace(accelerator, memory_mb=memory))
    assert report.maps_wholly
    (finding,) = report.findings
    assert "parameters" in finding.rule
    assert finding.maps


def test_a_model_that_is_compiled_already_is_refused(accelerator: Accelerator) -> None:
    with pytest.raises(ModelError, match="compiled for the Edge TPU already"):
        check(other("bad/split_concat_edgetpu"), accelerator)
    with pytest.raises(ModelError, match="compiled for the Edge TPU already"):
        check(compiled_form(tiny_model()), accelerator)


@pytest.mark.parametrize("name", ["mlperf_tiny/ad01_int8", "mlperf_tiny/kws_ref_model_int8", "own/ae_pt"])
def test_models_of_others_map_once_their_batch_is_fixed(name: str, accelerator: Accelerator) -> None:
    model = other(name)
    report = check(model, accelerator)
    assert "shapes must be constant" in lines(report)
    assert check(rewrite(model, accelerator), accelerator).maps_wholly


@pytest.mark.parametrize("change", [newer, without_bias, with_open_batch], ids=lambda change: change.__name__)
def test_what_breaks_a_rule_for_no_reason_is_rewritten_and_computes_the_same(
    change: Callable[[Any, Any], object], accelerator: Accelerator
) -> None:
    model = changed(change)
    rewritten = rewrite(model, accelerator)
    assert check(rewritten, accelerator).maps_wholly
    assert rewrite(rewritten, accelerator) is rewritten
    before, after = Model(model), Model(rewritten)
    for window in np.random.default_rng(5).integers(-128, 128, (100, 1, 12)).astype(np.int8):
        assert np.array_equal(before.run(window), after.run(window))


def test_a_version_that_is_needed_stays(accelerator: Accelerator) -> None:
    model = changed(keeping_dimensions)
    assert flatbuffer.read(rewrite(model, accelerator)).operatorCodes[0].version == 9


def test_a_model_that_needs_nothing_comes_back_as_it_is(accelerator: Accelerator) -> None:
    model = tiny_model()
    assert rewrite(model, accelerator) is model


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_models_exported_for_coral_boards_map_wholly(
    kind: str, exported: dict[str, Path], accelerator: Accelerator
) -> None:
    model = bundles.read(exported[f"{kind}-coral-usb"]).model_bytes
    assert lines(check(model, accelerator)) == ""
    assert rewrite(model, accelerator) is model


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_models_exported_for_cpus_are_told_what_to_change_and_rewritten_as_far_as_nothing_is_lost(
    kind: str, exported: dict[str, Path], accelerator: Accelerator, tmp_path: Path
) -> None:
    model = bundles.read(exported[f"{kind}-x86-64"]).model_bytes
    report = check(model, accelerator)
    assert "shapes must be constant" in lines(report)
    assert "the weights of a dense layer must have one scale" in lines(report)
    assert "weights: per-tensor" in lines(report)
    rewritten = rewrite(model, accelerator)
    findings = check(rewritten, accelerator).findings
    assert findings
    assert all("one scale" in finding.rule for finding in findings)
    kinds = {name_of(rewritten, operator) for operator in flatbuffer.read(rewritten).subgraphs[0].operators}
    assert kinds <= {"FULLY_CONNECTED", "CONV_2D", "RESHAPE"}
    assert_same_outputs(fixed_inputs(model), rewritten, tmp_path, inputs=200)


def name_of(model: bytes, operator: Any) -> str:
    return flatbuffer.operator_name(flatbuffer.read(model), operator)


def fixed_inputs(model: bytes) -> bytes:
    """The model with an input that says nothing of other batches, so that only one window is compared."""

    def close(graph: Any, operator: Any) -> None:
        tensor(graph, int(graph.subgraphs[0].inputs[0])).shapeSignature = None

    return changed(close, model)


def test_a_small_network_is_slower_on_the_chip_and_a_large_one_faster(accelerator: Accelerator) -> None:
    figures = {"invoke_us": INVOKE_US, "cpu_macs_per_us": CPU_MACS_PER_US, "tops": accelerator.tops.value}
    small = estimate(tiny_model(), **figures)
    assert small.macs == 36
    assert small.verdict == "slower"
    assert str(small) == (
        "the Edge TPU would be slower than the CPU: 36 multiplications per window "
        "(estimated: CPU 0.0 to 0.0, Edge TPU 19 to 75 microseconds)"
    )
    assert estimate(dense_network([784, 128, 10], per_channel=False, seed=1), **figures).verdict == "unclear"
    assert Estimate(10_000_000, 1377.0, 42.5).verdict == "faster"


def test_multiplications_are_counted_as_the_layers_do_them() -> None:
    assert macs(dense_network([784, 128, 10], per_channel=False, seed=1)) == 784 * 128 + 128 * 10
    assert macs(other("mlperf_tiny/ic_resnet8_int8")) == 12_501_632
    assert macs(other("mlperf_tiny/kws_ref_model_int8")) == 2_656_768


def compiled_form(model: bytes) -> bytes:
    """A model of the same inputs and outputs with one compiled operator."""

    def compiled(graph: Any, operator: Any) -> None:
        set_kind(graph, "CUSTOM")
        graph.operatorCodes[0].customCode = COMPILED.encode()
        operator.inputs = operator.inputs[:1]
        operator.builtinOptionsType, operator.builtinOptions = 0, None
        operator.customOptions = np.frombuffer(b"instructions", np.uint8)

    graph = flatbuffer.read(changed(compiled, model))
    flatbuffer.drop_unused(graph)
    return flatbuffer.write(graph)


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str, result: bytes = b"") -> str:
    """Put a script of the compiler's name on PATH; ``$out`` is the folder it is told to write to."""
    binaries = folder / "bin"
    binaries.mkdir()
    (folder / "result").write_bytes(result)
    program = binaries / "edgetpu_compiler"
    header = f'#!/bin/sh\nout="$3"\nresult={shlex.quote(str(folder / "result"))}\n'
    program.write_text(header + script)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{binaries}:{os.environ['PATH']}")
    return "edgetpu_compiler"


def test_without_a_compiler_there_is_the_command_to_run_elsewhere() -> None:
    assert compile_model(tiny_model(), "edgetpu_compiler-that-is-not-installed") is None
    assert command(Path("out/my model.tflite"), "edgetpu_compiler") == (
        "edgetpu_compiler --show_operations --out_dir out 'out/my model.tflite'"
    )


def test_a_compiled_model_comes_with_what_maps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = f'cp "$result" "$out/model_edgetpu.tflite"\ncat <<END\n{LOG}END\n'
    compiler = install(tmp_path, monkeypatch, script, compiled_form(tiny_model()))
    compiled = compile_model(tiny_model(), compiler)
    assert compiled is not None
    assert compiled.model == compiled_form(tiny_model())
    assert (compiled.mapped, compiled.on_cpu) == (1, 0)
    assert "Model compiled successfully" in compiled.log


def test_what_is_left_to_the_cpu_is_read_from_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = f'cp "$result" "$out/model_edgetpu.tflite"\necho "{PARTLY}"\n'
    compiled = compile_model(tiny_model(), install(tmp_path, monkeypatch, script, compiled_form(tiny_model())))
    assert compiled is not None
    assert (compiled.mapped, compiled.on_cpu) == (3, 2)


@pytest.mark.parametrize(
    ("script", "says"),
    [
        (
            'echo "ERROR: Didn\'t find op for builtin opcode" >&2; exit 1',
            r"exit code 1.*\n(.*\n)*ERROR: Didn't find op",
        ),
        ("exit 0", r"could not compile the model \(exit code 0\):\n\(it printed nothing\)"),
        ("kill -SEGV $$", "stopped by signal 11"),
        (f'cp "$result" "$out/model_edgetpu.tflite"; echo "{LOG}"', "mapped no operator"),
        ('echo junk > "$out/model_edgetpu.tflite"', r"expected a \.tflite model"),
    ],
)
def test_a_compiler_that_fails_is_quoted(
    script: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler = install(tmp_path, monkeypatch, script, tiny_model())
    with pytest.raises(ModelError, match=says):
        compile_model(tiny_model(), compiler)


def test_a_compiled_model_with_other_outputs_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = compiled_form(dense_network([12, 4], per_channel=False, seed=1))
    compiler = install(tmp_path, monkeypatch, 'cp "$result" "$out/model_edgetpu.tflite"', result)
    with pytest.raises(ModelError, match="other inputs or outputs"):
        compile_model(tiny_model(), compiler)


def test_a_compiler_that_hangs_is_stopped_with_its_children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    child = tmp_path / "child"
    script = f"echo compiling\nsleep 300 &\necho $! > {shlex.quote(str(child))}\nwait\n"
    compiler = install(tmp_path, monkeypatch, script)
    started = time.monotonic()
    with pytest.raises(ModelError, match=r"stopped after 0\.5 s:\ncompiling"):
        compile_model(tiny_model(), compiler, timeout_s=0.5)
    assert time.monotonic() - started < 60
    if not Path("/proc").is_dir():
        missing("/proc is not there", "run this test on Linux")
    deadline = time.monotonic() + 30
    while is_running(int(child.read_text())):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_running(process: int) -> bool:
    status = Path(f"/proc/{process}/status")
    return status.exists() and "State:\tZ" not in status.read_text()
