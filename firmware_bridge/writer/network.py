"""The C of a network: constants, kernels, and one function that runs its operators in order."""

from __future__ import annotations

from importlib import resources
from string import Template

from vedette.firmware_bridge.arena import Block
from vedette.firmware_bridge.operators.base import Value
from vedette.firmware_bridge.plan import Plan, PlannedStep
from vedette.firmware_bridge.writer.literals import array, c_type, comment
from vedette.firmware_bridge.writer.pair import Text


def network_text(plan: Plan, name: str) -> Text:
    """The network's part; all that is visible from outside begins with ``name``."""
    macro = name.upper()
    header = _HEADER.substitute(
        name=name,
        macro=macro,
        input_size=plan.input.size,
        input_shape=_shape(plan.input),
        input_type=c_type(plan.input.tensor.dtype),
        input_scale=_quantization(plan.input),
        output_size=plan.output.size,
        output_shape=_shape(plan.output),
        output_type=c_type(plan.output.tensor.dtype),
        output_scale=_quantization(plan.output),
        arena_bytes=plan.arena.bytes,
        arena_words=plan.arena.bytes // 4,
        arena_comment=_arena_comment(plan),
    )
    kernels = list(dict.fromkeys(kernel for planned in plan.steps for kernel in planned.code.kernels))
    texts = [kernel_text(kernel) for kernel in kernels]
    constants = [
        array(_constant(planned, constant.name), constant.values, f"{planned.step.operator.place}: {constant.comment}")
        for planned in plan.steps
        for constant in planned.code.constants
    ]
    calls = [_call(planned, plan, name) for planned in plan.steps]
    function = _FUNCTION.substitute(
        name=name,
        macro=macro,
        input_type=c_type(plan.input.tensor.dtype),
        output_type=c_type(plan.output.tensor.dtype),
        calls="\n".join(calls),
        memory=_MEMORY if any("(memory + " in call for call in calls) else _NO_MEMORY,
    )
    return Text(header, "\n".join([*texts, *constants, function]))


def kernel_text(name: str) -> str:
    """The C of a kernel."""
    return resources.files("vedette.firmware_bridge.kernels").joinpath(f"{name}.h").read_text(encoding="utf-8")


def _call(planned: PlannedStep, plan: Plan, name: str) -> str:
    step = planned.step
    places = {constant.name: _constant(planned, constant.name) for constant in planned.code.constants}
    for number, value in enumerate(step.inputs):
        if value is not None and value.data is None:
            places[f"in{number}"] = _pointer(value, plan, written=False)
    for number, value in enumerate(step.outputs):
        places[f"out{number}"] = _pointer(value, plan, written=True)
    if planned.scratch is not None:
        places["scratch"] = f"(void *)(memory + {planned.scratch})"
    # The axis of a SPLIT comes before what is split.
    given = next((value for value in step.inputs if value is not None and value.data is None), step.input)
    shapes = " -> ".join(_shape(value) for value in (given, step.output))
    text = Template(planned.code.call).substitute(places)
    return f"    /* {step.operator.place}: {shapes} */\n" + "\n".join(f"    {line}" for line in text.splitlines())


def _pointer(value: Value, plan: Plan, *, written: bool) -> str:
    home = plan.homes[value.tensor.index]
    if isinstance(home, str):
        return home
    kind = c_type(value.tensor.dtype)
    return f"({'' if written else 'const '}{kind} *)(memory + {home})"


def _constant(planned: PlannedStep, name: str) -> str:
    return f"op{planned.step.number}_{name}"


def _shape(value: Value) -> str:
    return "x".join(str(size) for size in value.shape)


def _quantization(value: Value) -> str:
    if not len(value.tensor.scales):
        return "real numbers"
    return f"(step - {value.zero_point}) * {value.scale!s} in the model's units"


def _arena_comment(plan: Plan) -> str:
    step, blocks = plan.arena.fullest
    if not blocks:
        return "nothing: every operator reads the input or writes the output"
    parts = ", ".join(f"{block.size} B {comment(block.name)}" for block in sorted(blocks, key=_size, reverse=True))
    return f"most is in use at step {step}: {parts}"


def _size(block: Block) -> int:
    return block.size


_MEMORY, _NO_MEMORY = "    uint8_t *const memory = (uint8_t *)arena->words;\n", "    (void)arena;\n"

_HEADER = Template("""\
/* The network. Input: $input_shape, $input_scale.
 * Output: $output_shape, $output_scale. */
#define ${macro}_INPUT_SIZE $input_size
#define ${macro}_OUTPUT_SIZE $output_size

/* Memory for activations; nothing in it survives a call, so that several networks may share it.
 * Of its bytes, $arena_comment. */
#define ${macro}_ARENA_BYTES $arena_bytes
typedef struct {
    uint32_t words[$arena_words];
} ${name}_arena_t;

/* Run the network on one input. */
void ${name}_run(${name}_arena_t *arena, const $input_type input[${macro}_INPUT_SIZE],
    $output_type output[${macro}_OUTPUT_SIZE]);
""")

_FUNCTION = Template("""\
void ${name}_run(${name}_arena_t *arena, const $input_type input[${macro}_INPUT_SIZE],
    $output_type output[${macro}_OUTPUT_SIZE]) {
$memory$calls
}
""")
