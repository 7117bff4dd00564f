/* Product of two rows, requantized, rounding family S. A step of 0 takes the same element all along. */
static void mul(const int8_t *a, const int8_t *b, int8_t *out, int32_t size, int32_t step_a, int32_t step_b,
                int32_t zero_a, int32_t zero_b, float multiplier, int32_t zero_point, int32_t low, int32_t high) {
    for (int32_t i = 0; i < size; i++) {
        const int32_t product = (a[i * step_a] - zero_a) * (b[i * step_b] - zero_b);
        out[i] = clamp(requantize(product, multiplier) + zero_point, low, high);
    }
}
