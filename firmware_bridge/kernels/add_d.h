/* Sum of two rows (sign 1) or their difference (-1), rounding family D: both in steps of 2^-20 of twice the larger scale,
 * then requantized. A step of 0 takes the same element all along. */
static void add(const int8_t *a, const int8_t *b, int8_t *out, int32_t size, int32_t step_a, int32_t step_b,
                int32_t zero_a, int32_t multiplier_a, int32_t shift_a,
                int32_t zero_b, int32_t multiplier_b, int32_t shift_b, int32_t sign,
                int32_t multiplier, int32_t shift, int32_t zero_point, int32_t low, int32_t high) {
    for (int32_t i = 0; i < size; i++) {
        const int32_t first = requantize((a[i * step_a] - zero_a) * 1048576, multiplier_a, shift_a);
        const int32_t second = requantize((b[i * step_b] - zero_b) * 1048576, multiplier_b, shift_b);
        out[i] = clamp(requantize(first + sign * second, multiplier, shift) + zero_point, low, high);
    }
}
