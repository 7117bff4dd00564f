/* int32 sum -> int8 step, rounding family S: one float multiplication, halves to even, as XNNPACK's fp32 requantization.
 * `count` sums, at most four, each with its multiplier. */
#if defined(__ARM_FEATURE_MVE) && (__ARM_FEATURE_MVE & 2)
static void outputs(const int32_t sums[4], int32_t count, const float *multiplier, int32_t zero_point,
                           int32_t low, int32_t high, int8_t *out) {
    const mve_pred16_t some = vctp32q((uint32_t)count);
    const float32x4_t product = vmulq_f32(vcvtq_f32_s32(vldrwq_s32(sums)), vldrwq_z_f32(multiplier, some));
    int32x4_t x = vcvtnq_s32_f32(vminnmq_f32(vmaxnmq_f32(product, vdupq_n_f32(-512.0f)), vdupq_n_f32(512.0f)));
    x = vaddq_n_s32(x, zero_point);
    x = vminq_s32(vmaxq_s32(x, vdupq_n_s32(low)), vdupq_n_s32(high));
    vstrbq_p_s32(out, x, some);
}
#else
/* Adding 1.5 * 2^23 puts the rounded number into the last bits of the float; the bounds keep it there. */
static int32_t output_step(int32_t sum, float multiplier) {
    const float magic = 12582912.0f;
    float product = (float)sum * multiplier;
    union {
        float value;
        int32_t bits;
    } rounded;
    product = product < -512.0f ? -512.0f : product > 512.0f ? 512.0f : product;
    rounded.value = product + magic;
    return rounded.bits - 0x4B400000;
}

static void outputs(const int32_t sums[4], int32_t count, const float *multiplier, int32_t zero_point,
                           int32_t low, int32_t high, int8_t *out) {
    for (int32_t i = 0; i < count; i++) {
        const int32_t x = output_step(sums[i], multiplier[i]) + zero_point;
        out[i] = (int8_t)(x < low ? low : x > high ? high : x);
    }
}
#endif
