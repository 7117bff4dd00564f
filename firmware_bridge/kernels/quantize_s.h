/* Real numbers -> int8 steps, rounding family S: times the inverse of the scale, halves to even. No number (NaN) gives
 * the largest. Adding 1.5 * 2^23 puts the rounded number into the last bits of the float; the bounds keep it there. */
static void quantize(const float *in, int8_t *out, int32_t size, float inverse, int32_t zero_point) {
    const float magic = 12582912.0f;
    union {
        float value;
        int32_t bits;
    } rounded;
    for (int32_t i = 0; i < size; i++) {
        float steps = in[i] * inverse;
        steps = steps < 512.0f ? steps : 512.0f;
        steps = steps > -512.0f ? steps : -512.0f;
        rounded.value = steps + magic;
        out[i] = clamp(rounded.bits - 0x4B400000 + zero_point, -128, 127);
    }
}
