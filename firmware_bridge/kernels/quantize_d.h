/* Real numbers -> int8 steps, rounding family D: a division, halves away from zero. No number (NaN) gives the smallest. */
static void quantize(const float *in, int8_t *out, int32_t size, float scale, int32_t zero_point) {
    for (int32_t i = 0; i < size; i++) {
        float steps = in[i] / scale;
        int32_t whole;
        float rest;
        steps = steps > -512.0f ? steps : -512.0f;
        steps = steps < 512.0f ? steps : 512.0f;
        whole = (int32_t)steps;
        rest = steps - (float)whole;
        whole += rest >= 0.5f ? 1 : rest <= -0.5f ? -1 : 0;
        out[i] = clamp(whole + zero_point, -128, 127);
    }
}
