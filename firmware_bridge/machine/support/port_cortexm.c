/* The harness on a bare Cortex-M under QEMU: files over semihosting, time from SysTick, guards around memory.
 *
 * Semihosting operations: "Semihosting for AArch32 and AArch64", Arm, section 6. SysTick and system control block:
 * "Armv7-M Architecture Reference Manual", Arm, sections B3.2 and B3.3; Armv6-M and Armv8-M have them at the same place. */
#include <string.h>

#include "port.h"

#define SYS_OPEN 0x01u
#define SYS_WRITE0 0x04u
#define SYS_WRITE 0x05u
#define SYS_READ 0x06u
#define SYS_EXIT_EXTENDED 0x20u
#define APPLICATION_EXIT 0x20026u
#define MODE_RB 1u
#define MODE_WB 5u

#define SYSTICK_CONTROL (*(volatile uint32_t *)0xE000E010u)
#define SYSTICK_RELOAD (*(volatile uint32_t *)0xE000E014u)
#define SYSTICK_VALUE (*(volatile uint32_t *)0xE000E018u)
#define INTERRUPT_STATE (*(volatile uint32_t *)0xE000ED04u)
#define SYSTICK_STOPPED 0u
#define SYSTICK_COUNTING 7u /* on, with an interrupt when it wraps, at the processor's clock */
#define SYSTICK_MOST 0xFFFFFFu
#define SYSTICK_PENDING (1u << 26)
#define SYSTICK_FORGET (1u << 25)

#define GUARD_BYTES 64u
#define GUARD_VALUE 0x6Bu
#define MOST_BLOCKS 16u

extern unsigned char port_heap_begin[];
extern unsigned char port_heap_end[];
void systick_handler(void);
void port_fault(const uint32_t *frame);

static unsigned char *heap = port_heap_begin;
static unsigned char *guards[2u * MOST_BLOCKS];
static size_t guard_count;
static uint32_t handles[3];
static volatile uint32_t wraps;
static uint32_t first_tick;

static uint32_t semihosting(uint32_t operation, const void *argument) {
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory", "cc");
    return r0;
}

static uint32_t address(const void *pointer) {
    return (uint32_t)(uintptr_t)pointer;
}

__attribute__((noreturn)) static void end(uint32_t code) {
    const uint32_t arguments[2] = {APPLICATION_EXIT, code};
    for (;;) {
        (void)semihosting(SYS_EXIT_EXTENDED, arguments);
    }
}

void port_fail(const char *why) {
    (void)semihosting(SYS_WRITE0, why);
    (void)semihosting(SYS_WRITE0, "\n");
    end(2);
}

static void guard(unsigned char *begin) {
    memset(begin, (int)GUARD_VALUE, GUARD_BYTES);
    guards[guard_count] = begin;
    guard_count++;
}

/* The second guard begins at the very end of the memory. */
void *port_memory(size_t size) {
    const size_t rounded = (size + 15u) & ~(size_t)15u;
    if (guard_count == 2u * MOST_BLOCKS || rounded + 2u * GUARD_BYTES > (size_t)(port_heap_end - heap)) {
        port_fail("the emulated machine has too little memory for this");
    }
    unsigned char *const memory = heap + GUARD_BYTES;
    guard(heap);
    guard(memory + size);
    heap += rounded + 2u * GUARD_BYTES;
    return memory;
}

int port_memory_intact(void) {
    for (size_t i = 0; i < guard_count; i++) {
        for (size_t byte = 0; byte < GUARD_BYTES; byte++) {
            if (guards[i][byte] != GUARD_VALUE) {
                return 0;
            }
        }
    }
    return 1;
}

int port_read(void *data, size_t size) {
    const uint32_t arguments[3] = {handles[0], address(data), size};
    const uint32_t unread = semihosting(SYS_READ, arguments);
    if (unread != 0 && unread != size) {
        port_fail("input.bin ends within a record");
    }
    return unread == 0;
}

static void append(uint32_t handle, const void *data, size_t size) {
    const uint32_t arguments[3] = {handle, address(data), size};
    if (semihosting(SYS_WRITE, arguments) != 0) {
        port_fail("the output could not be written");
    }
}

void port_write(const void *data, size_t size) {
    append(handles[1], data, size);
}

void port_report(uint32_t ticks, uint32_t stack_bytes) {
    const uint32_t words[2] = {ticks, stack_bytes};
    append(handles[2], words, sizeof words);
}

void systick_handler(void) {
    wraps++;
}

void port_count_begin(void) {
    wraps = 0;
    SYSTICK_RELOAD = SYSTICK_MOST;
    SYSTICK_VALUE = 0;
    SYSTICK_CONTROL = SYSTICK_COUNTING;
    while (SYSTICK_VALUE == 0) {
    }
    first_tick = SYSTICK_VALUE;
}

uint32_t port_count_end(void) {
    const uint32_t last_tick = SYSTICK_VALUE;
    SYSTICK_CONTROL = SYSTICK_STOPPED;
    uint32_t times = wraps;
    if ((INTERRUPT_STATE & SYSTICK_PENDING) != 0 && last_tick > SYSTICK_MOST / 2u) {
        times++; /* it had wrapped, but the interrupt had not come */
    }
    INTERRUPT_STATE = SYSTICK_FORGET;
    return times * (SYSTICK_MOST + 1u) + first_tick - last_tick;
}

/* "fault at" and the address of the instruction, which the host looks up. */
void port_fault(const uint32_t *frame) {
    if (frame < port_stack_limit) {
        port_fail("stack overflow");
    }
    char text[] = "fault at 0x00000000";
    for (uint32_t digit = 0; digit < 8u; digit++) {
        text[sizeof text - 2u - digit] = "0123456789abcdef"[(frame[6] >> (4u * digit)) & 15u];
    }
    port_fail(text);
}

static uint32_t open_file(const char *name, uint32_t mode) {
    const uint32_t arguments[3] = {address(name), mode, strlen(name)};
    const uint32_t handle = semihosting(SYS_OPEN, arguments);
    if (handle == 0xFFFFFFFFu) {
        port_fail("input.bin, output.bin or report.bin cannot be opened");
    }
    return handle;
}

void port_main(void);
void port_main(void) {
    handles[0] = open_file("input.bin", MODE_RB);
    handles[1] = open_file("output.bin", MODE_WB);
    handles[2] = open_file("report.bin", MODE_WB);
    port_count_begin();
    port_report(port_count_end(), 0); /* what measuring itself costs */
    end((uint32_t)harness_main());
}
