/* 2^62 / (1 + x) for x of 31 fractional bits, by three Newton-Raphson steps from 48/17 - 32/17 (1 + x) / 2: gemmlowp's
 * one_over_one_plus_x_for_x_in_0_1. Numbers of 2 integer bits, products of 4 moved back. */
static int32_t reciprocal(int32_t x) {
    const int32_t half = (int32_t)(((int64_t)x + 2147483647 + 1) / 2);
    int32_t found = 1515870810 + requantize(half, -1010580540, 0);
    for (int32_t i = 0; i < 3; i++) {
        const int32_t rest = 536870912 - requantize(half, found, 0);
        found += requantize(found, rest, 0) * 4;
    }
    return found > 1073741823 ? 2147483647 : found * 2;
}

/* Softmax of rows, rounding family D: exponentials of differences to the largest from a table of 31 fractional bits;
 * those beyond its end are zero. */
static void softmax(const int8_t *in, int8_t *out, int32_t rows, int32_t depth, const int32_t *table, int32_t length) {
    for (int32_t row = 0; row < rows; row++) {
        int32_t largest = -128;
        uint32_t sum = 0;
        int32_t bits = 0;
        int32_t scale;
        for (int32_t i = 0; i < depth; i++) {
            largest = in[i] > largest ? in[i] : largest;
        }
        for (int32_t i = 0; i < depth; i++) {
            const int32_t below = largest - in[i];
            if (below < length) {
                sum += (uint32_t)((table[below] >> 12) + ((table[below] >> 11) & 1));
            }
        }
        while (sum < 2147483648u) {
            sum <<= 1;
            bits++;
        }
        scale = reciprocal((int32_t)(sum - 2147483648u));
        for (int32_t i = 0; i < depth; i++) {
            const int32_t below = largest - in[i];
            out[i] = below < length ? clamp(requantize(scale, table[below], bits - 35) - 128, -128, 127) : -128;
        }
        in += depth;
        out += depth;
    }
}
