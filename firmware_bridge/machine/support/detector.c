/* Pushes every sample of input.bin into a generated detector and writes its flags and fields to output.bin.
 *
 * A sample is the time in milliseconds as uint32, then one float32 per channel. Each is pushed into a copy first, for stack
 * and instructions, and the copy must end as the detector itself does. */
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

int harness_main(void) {
    program_detector_t *const detector = port_memory(sizeof *detector);
    program_detector_t *const copy = port_memory(sizeof *copy);
    sample_t *const sample = port_memory(sizeof *sample);
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
        if (!port_memory_intact()) {
            port_fail("memory outside the detector was written");
        }
    }
    return 0;
}
