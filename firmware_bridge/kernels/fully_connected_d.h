/* Rows of int8 times rows of int8 weights: out[row][unit] = requantize(bias[unit] + sum of in[row][i] * weights[unit][i]). */
static void fully_connected(const int8_t *in, int8_t *out, int32_t rows, int32_t depth, int32_t units,
                            const int8_t *weights, const int32_t *bias, const int32_t *multiplier, const int8_t *shift,
                            int32_t zero_point, int32_t low, int32_t high) {
    for (int32_t row = 0; row < rows; row++) {
        const int8_t *w = weights;
        for (int32_t unit = 0; unit < units; unit++) {
            int32_t sum = bias[unit];
            for (int32_t i = 0; i < depth; i++) {
                sum += in[i] * *w++;
            }
            *out++ = clamp(requantize(sum, multiplier[unit], shift[unit]) + zero_point, low, high);
        }
        in += depth;
    }
}
