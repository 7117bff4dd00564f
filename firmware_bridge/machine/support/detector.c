/* Pushes every sample of input.bin into a generated detector and writes to output.bin what it then tells: flags, fields,
 * severity and shares (those of a sample that completed no window are zero).
 *
 * A sample is the time in milliseconds as uint32, then one float32 per channel. Each is pushed into a copy twice before, for
 * stack and instructions, and the copy must end as the detector itself does. The self-test comes first. */
#include <string.h>

#include "port.h"
#include "program.h"

typedef struct {
    uint32_t time_ms;
    float values[PROGRAM_CHANNELS];
} sample_t;

#define WRITE_FIELD(field) port_write(&detector->field, sizeof detector->field);
#define COMPARE_FIELD(field) \
    if (memcmp(&detector->field, &copy->field, sizeof detector->field) != 0) { \
        port_fail("the same sample changed " #field " in another way when pushed again"); \
    }

static void write_shares(const program_detector_t *detector, int scored) {
    program_share_t shares[PROGRAM_TOP_CHANNELS];
    memset(shares, 0, sizeof shares);
    if (scored) {
        program_shares(detector, shares);
    }
    for (int i = 0; i < PROGRAM_TOP_CHANNELS; i++) {
        port_write(&shares[i].share, sizeof shares[i].share);
        port_write(&shares[i].observed, sizeof shares[i].observed);
        port_write(&shares[i].expected, sizeof shares[i].expected);
        port_write(&shares[i].channel, sizeof shares[i].channel);
    }
}

int harness_main(void) {
    program_detector_t *const detector = port_memory(sizeof *detector);
    program_detector_t *const copy = port_memory(sizeof *copy);
    sample_t *const sample = port_memory(sizeof *sample);
    memset(detector, 0xA5, sizeof *detector);
    if (program_selftest(detector) != 0) {
        port_fail("the self-test found a golden window with other bits");
    }
    memset(detector, 0xA5, sizeof *detector);
    program_init(detector);
    while (port_read(sample, sizeof *sample)) {
        memcpy(copy, detector, sizeof *copy);
        port_stack_paint();
        (void)program_push(copy, sample->values, sample->time_ms);
        const uint32_t stack_bytes = port_stack_used();
        memcpy(copy, detector, sizeof *copy);
        port_count_begin();
        const int counted = (int)program_push(copy, sample->values, sample->time_ms);
        const uint32_t ticks = port_count_end();
        const int flags = (int)program_push(detector, sample->values, sample->time_ms);
        if (flags != counted) {
            port_fail("the same sample gave other flags when pushed again");
        }
        PROGRAM_FIELDS(COMPARE_FIELD)
        port_report(ticks, stack_bytes);
        port_write(&flags, sizeof flags);
        PROGRAM_FIELDS(WRITE_FIELD)
        const double severity = program_severity(detector);
        port_write(&severity, sizeof severity);
        write_shares(detector, flags & PROGRAM_SCORED);
        if (!port_memory_intact()) {
            port_fail("memory outside the detector was written");
        }
    }
    return 0;
}
