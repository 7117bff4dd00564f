/* Runs a generated network on every window of input.bin and writes what it gives to output.bin.
 *
 * Nothing in the arena may survive a call, so it is filled with changing bytes in between; bytes lie at every
 * alignment. The first windows are run twice more, for stack and instructions. */
#include <string.h>

#include "port.h"
#include "program.h"

#define ALIGNMENTS (sizeof(program_input_t) == 1 && sizeof(program_output_t) == 1 ? 4u : 1u)
#define INPUT_BYTES (sizeof(program_input_t) * PROGRAM_INPUT_SIZE)
#define OUTPUT_BYTES (sizeof(program_output_t) * PROGRAM_OUTPUT_SIZE)

static void measure(program_arena_t *arena, const program_input_t *input, program_output_t *output, const void *expected) {
    port_stack_paint();
    program_run(arena, input, output);
    const uint32_t stack_bytes = port_stack_used();
    memset(output, 0, OUTPUT_BYTES);
    port_count_begin();
    program_run(arena, input, output);
    const uint32_t ticks = port_count_end();
    if (memcmp(output, expected, OUTPUT_BYTES) != 0) {
        port_fail("the same input gave another output when run again");
    }
    port_report(ticks, stack_bytes);
}

int harness_main(void) {
    program_arena_t *const arena = port_memory(sizeof *arena);
    program_output_t *const again = port_memory(OUTPUT_BYTES);
    unsigned char *inputs[4];
    unsigned char *outputs[4];
    for (size_t shift = 0; shift < ALIGNMENTS; shift++) {
        inputs[shift] = (unsigned char *)port_memory(INPUT_BYTES + shift) + shift;
        outputs[shift] = (unsigned char *)port_memory(OUTPUT_BYTES + shift) + shift;
    }
    for (uint32_t window = 0;; window++) {
        const size_t shift = window % ALIGNMENTS;
        if (!port_read(inputs[shift], INPUT_BYTES)) {
            return 0;
        }
        /* Through void: of a type with an alignment there is only the shift 0. */
        const program_input_t *const input = (const void *)inputs[shift];
        program_output_t *const output = (void *)outputs[shift];
        memset(arena, window % 2u == 0 ? 0xA5 : 0x5A, sizeof *arena);
        program_run(arena, input, output);
        port_write(output, OUTPUT_BYTES);
        if (window < PROGRAM_MEASURED) {
            memmove(inputs[0], inputs[shift], INPUT_BYTES);
            measure(arena, (const void *)inputs[0], again, output);
        }
        if (!port_memory_intact()) {
            port_fail("memory outside the arena, the input and the output was written");
        }
    }
}
