/* A product that is fused with a sum rounds once instead of twice: other bits. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC push_options
#pragma GCC optimize("fp-contract=off")
#else
#pragma STDC FP_CONTRACT OFF
#endif
/* Softmax of rows, rounding family S: exponentials of differences to the largest from a table, halves away from zero. */
static void softmax(const int8_t *in, int8_t *out, int32_t rows, int32_t depth, const float *table, float scale) {
    for (int32_t row = 0; row < rows; row++) {
        int32_t largest = -128;
        float sum = 0.0f;
        float factor;
        for (int32_t i = 0; i < depth; i++) {
            largest = in[i] > largest ? in[i] : largest;
        }
        for (int32_t i = 0; i < depth; i++) {
            sum += table[largest - in[i]];
        }
        factor = sum * scale;
        factor = 1.0f / factor;
        for (int32_t i = 0; i < depth; i++) {
            const float steps = table[largest - in[i]] * factor;
            const int32_t whole = (int32_t)steps;
            out[i] = clamp(whole + (steps - (float)whole >= 0.5f ? 1 : 0) - 128, -128, 127);
        }
        in += depth;
        out += depth;
    }
}
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC pop_options
#endif
