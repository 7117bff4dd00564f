/* What a harness needs of the machine it runs on: files, memory, a counter and a stack that can be measured. */
#ifndef PORT_H
#define PORT_H

#include <stddef.h>
#include <stdint.h>

/* Memory of exactly that many bytes, aligned for any type; written outside of, port_memory_intact is 0. */
void *port_memory(size_t size);
int port_memory_intact(void);

/* Read one record of input.bin; 0 at the end of the file. Part of a record ends the program. */
int port_read(void *data, size_t size);

/* Append to output.bin and to report.bin. */
void port_write(const void *data, size_t size);
void port_report(uint32_t ticks, uint32_t stack_bytes);

/* Ticks of the emulated clock from begin to end; both 0 where nothing can be counted. */
void port_count_begin(void);
uint32_t port_count_end(void);

/* Say why on standard error and end the program with an exit code other than 0. */
#if defined(__GNUC__)
__attribute__((noreturn))
#endif
void port_fail(const char *why);

int harness_main(void);

#if defined(__ARM_ARCH_PROFILE) && __ARM_ARCH_PROFILE == 'M'
/* Paint the free stack, and see how far below the caller's frame the paint is gone. Inlined, as they have no frame. */
#define PORT_PAINT 0xC5C5A5A5u
extern uint32_t port_stack_limit[];

__attribute__((always_inline)) static inline uint32_t *port_stack_pointer(void) {
    uint32_t *pointer;
    __asm__ volatile("mov %0, sp" : "=r"(pointer) : : "memory");
    return pointer;
}

__attribute__((always_inline)) static inline void port_stack_paint(void) {
    uint32_t *const end = port_stack_pointer();
    for (volatile uint32_t *word = port_stack_limit; word < end; word++) {
        *word = PORT_PAINT;
    }
}

__attribute__((always_inline)) static inline uint32_t port_stack_used(void) {
    uint32_t *const end = port_stack_pointer();
    volatile uint32_t *word = port_stack_limit;
    while (word < end && *word == PORT_PAINT) {
        word++;
    }
    return (uint32_t)(end - (uint32_t *)(uintptr_t)word) * 4u;
}
#else
static inline void port_stack_paint(void) {}
static inline uint32_t port_stack_used(void) {
    return 0;
}
#endif

#endif
