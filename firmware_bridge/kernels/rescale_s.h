/* int8 steps of one scale -> int8 steps of another; the multiplier is in 256ths, halves go up. */
static void rescale(const int8_t *in, int8_t *out, int32_t size, int32_t in_zero, int32_t multiplier,
                    int32_t out_zero) {
    for (int32_t i = 0; i < size; i++) {
        out[i] = clamp((((in[i] - in_zero) * multiplier + 128) >> 8) + out_zero, -128, 127);
    }
}
