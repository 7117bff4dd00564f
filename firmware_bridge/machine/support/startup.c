/* From reset to port_main on any Cortex-M: vectors, floating point and vector unit on, static data cleared.
 *
 * The emulator loads initialised data to where it is used. Registers: "Armv7-M Architecture Reference Manual", Arm,
 * sections B3.2.8 (CCR) and B3.2.20 (CPACR). */
#include <stdint.h>

extern uint32_t port_stack_end[];
extern uint32_t port_bss_begin[];
extern uint32_t port_bss_end[];
void port_main(void);
void systick_handler(void);
void reset_handler(void);
void fault_handler(void);
void clear_and_go(void);

typedef void (*handler_t)(void);

typedef struct {
    uint32_t *stack;
    handler_t handlers[15];
} vectors_t;

extern const vectors_t vectors;
__attribute__((section(".vectors"), used)) const vectors_t vectors = {
    port_stack_end,
    {reset_handler, fault_handler, fault_handler, fault_handler, fault_handler, fault_handler, fault_handler, 0, 0, 0,
        fault_handler, fault_handler, 0, fault_handler, systick_handler},
};

/* In assembly, as the compiler may use floating point or vector registers anywhere in C. */
__attribute__((naked, noreturn)) void reset_handler(void) {
    __asm__ volatile(
#if defined(__ARM_FP)
        "ldr r0, =0xE000ED88\n"
        "ldr r1, [r0]\n"
        "orr r1, r1, #0x00F00000\n"
        "str r1, [r0]\n"
        "dsb\n"
        "isb\n"
#endif
        "bl clear_and_go\n"
        ".ltorg\n");
}

/* A fresh stack for the report: the fault may have been a stack overflow. */
__attribute__((naked, noreturn)) void fault_handler(void) {
    __asm__ volatile(
        "mrs r0, msp\n"
        "ldr r1, =port_stack_end\n"
        "msr msp, r1\n"
        "bl port_fault\n"
        ".ltorg\n");
}

__attribute__((noreturn)) void clear_and_go(void) {
#if defined(__ARM_ARCH_6M__)
    /* An Armv6-M core faults on unaligned words; let the Armv7-M core that stands in for it do so too. */
    *(volatile uint32_t *)0xE000ED14u |= 1u << 3;
#endif
    for (volatile uint32_t *word = port_bss_begin; word < port_bss_end; word++) {
        *word = 0;
    }
    port_main();
    for (;;) {
    }
}
