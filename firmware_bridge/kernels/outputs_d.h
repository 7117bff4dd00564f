/* int32 sum -> int8 step, rounding family D: gemmlowp's SaturatingRoundingDoublingHighMul, then RoundingDivideByPOT
 * (gemmlowp/fixedpoint/fixedpoint.h), as in TFLite Micro and CMSIS-NN. The sum times 2^shift must be within int32.
 * `count` sums, at most four, each with its multiplier and shift. */
#if defined(__ARM_FEATURE_MVE) && __ARM_FEATURE_MVE
static void outputs(const int32_t sums[4], int32_t count, const int32_t *multiplier, const int8_t *shift,
                           int32_t zero_point, int32_t low, int32_t high, int8_t *out) {
    const mve_pred16_t some = vctp32q((uint32_t)count);
    const int32x4_t exponent = vldrbq_z_s32(shift, some);
    const int32x4_t right = vminq_s32(exponent, vdupq_n_s32(0));
    int32x4_t x = vshlq_s32(vldrwq_s32(sums), vmaxq_s32(exponent, vdupq_n_s32(0)));
    x = vqrdmulhq_s32(x, vldrwq_z_s32(multiplier, some));
    /* VRSHL rounds halves up, so negative numbers are made one less first, where there is a shift at all. */
    x = vqaddq_s32(x, vshrq_n_s32(vandq_s32(x, right), 31));
    x = vaddq_n_s32(vrshlq_s32(x, right), zero_point);
    x = vminq_s32(vmaxq_s32(x, vdupq_n_s32(low)), vdupq_n_s32(high));
    vstrbq_p_s32(out, x, some);
}
#else
static int32_t output_step(int32_t sum, int32_t multiplier, int32_t shift) {
    const int32_t left = shift > 0 ? shift : 0;
    const int32_t right = left - shift;
    const int64_t product = (int64_t)(sum * ((int32_t)1 << left)) * multiplier;
    const int32_t high = (int32_t)((product + ((int64_t)1 << 30)) >> 31);
    const int32_t mask = (int32_t)(((uint32_t)1 << right) - 1u);
    return (high >> right) + ((high & mask) > (mask >> 1) + (high < 0 ? 1 : 0) ? 1 : 0);
}

static void outputs(const int32_t sums[4], int32_t count, const int32_t *multiplier, const int8_t *shift,
                           int32_t zero_point, int32_t low, int32_t high, int8_t *out) {
    for (int32_t i = 0; i < count; i++) {
        const int32_t x = output_step(sums[i], multiplier[i], shift[i]) + zero_point;
        out[i] = (int8_t)(x < low ? low : x > high ? high : x);
    }
}
#endif
