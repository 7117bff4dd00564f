/* Rows of int8 times rows of packed int8 weights: out[row][unit] = requantize(bias[unit] + weights[unit] . in[row]).
 * Weights and biases are filled up with zeros to a multiple of four units. */
static void fully_connected(const int8_t *in, int8_t *out, void *scratch, int32_t rows, int32_t depth, int32_t units,
                            const int8_t *weights, const int32_t *bias, const int32_t *multiplier, const int8_t *shift,
                            int32_t zero_point, int32_t low, int32_t high) {
    int32_t sums[4];
    for (int32_t row = 0; row < rows; row++) {
        const dot_input_t *const x = dot_input(in, depth, scratch);
        const int8_t *w = weights;
        for (int32_t unit = 0; unit < units; unit += 4) {
            const int32_t count = units - unit < 4 ? units - unit : 4;
            dot_4(x, w, depth, bias + unit, sums);
            outputs(sums, count, multiplier + unit, shift + unit, zero_point, low, high, out + unit);
            w += 4 * ((depth + 3) & ~3);
        }
        in += depth;
        out += units;
    }
}
