/* Sum of two rows, rounding family S: integer multipliers of at most 21 bits, one shift. A difference has a negative
 * multiplier. A step of 0 takes the same element all along. */
static void add(const int8_t *a, const int8_t *b, int8_t *out, int32_t size, int32_t step_a, int32_t step_b,
                int32_t bias, int32_t multiplier_a, int32_t multiplier_b, int32_t shift,
                int32_t zero_point, int32_t low, int32_t high) {
    for (int32_t i = 0; i < size; i++) {
        const int32_t sum = bias + a[i * step_a] * multiplier_a + b[i * step_b] * multiplier_b;
        out[i] = clamp((sum >> shift) + zero_point, low, high);
    }
}
