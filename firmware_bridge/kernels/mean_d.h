/* The mean of size_a times size_b elements, which are stride_a and stride_b apart, rounding family D. */
static int8_t mean(const int8_t *in, int32_t size_a, int32_t stride_a, int32_t size_b, int32_t stride_b,
                   int32_t bias, int32_t multiplier, int32_t shift, int32_t zero_point) {
    int32_t sum = bias;
    for (int32_t a = 0; a < size_a; a++) {
        for (int32_t b = 0; b < size_b; b++) {
            sum += in[a * stride_a + b * stride_b];
        }
    }
    return clamp(requantize(sum, multiplier, shift) + zero_point, -128, 127);
}
