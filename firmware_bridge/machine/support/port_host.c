/* The harness on a machine with files: exactly as much memory as asked for, so that a sanitizer sees each byte beyond it. */
#include <stdio.h>
#include <stdlib.h>

#include "port.h"

#define MOST_BLOCKS 16u

static FILE *files[3];
/* In use until the end, which a sanitizer takes for a leak unless something points there. */
static void *blocks[MOST_BLOCKS];
static size_t block_count;

void *port_memory(size_t size) {
    void *const memory = block_count < MOST_BLOCKS ? malloc(size) : NULL;
    if (memory == NULL) {
        port_fail("out of memory");
    }
    blocks[block_count] = memory;
    block_count++;
    return memory;
}

int port_memory_intact(void) {
    return 1;
}

int port_read(void *data, size_t size) {
    const size_t count = fread(data, 1, size, files[0]);
    if (count != 0 && count != size) {
        port_fail("input.bin ends within a record");
    }
    return count == size;
}

static void append(FILE *file, const void *data, size_t size) {
    if (fwrite(data, 1, size, file) != size) {
        port_fail("the output could not be written");
    }
}

void port_write(const void *data, size_t size) {
    append(files[1], data, size);
}

void port_report(uint32_t ticks, uint32_t stack_bytes) {
    const uint32_t words[2] = {ticks, stack_bytes};
    append(files[2], words, sizeof words);
}

void port_count_begin(void) {}

uint32_t port_count_end(void) {
    return 0;
}

void port_fail(const char *why) {
    fprintf(stderr, "%s\n", why);
    exit(2);
}

int main(void) {
    static const char *const names[3] = {"input.bin", "output.bin", "report.bin"};
    for (int i = 0; i < 3; i++) {
        files[i] = fopen(names[i], i == 0 ? "rb" : "wb");
        if (files[i] == NULL) {
            port_fail("input.bin, output.bin or report.bin cannot be opened");
        }
    }
    port_report(0, 0);
    const int result = harness_main();
    for (int i = 1; i < 3; i++) {
        if (fclose(files[i]) != 0) {
            port_fail("the output could not be written");
        }
    }
    return result;
}
