/* int32 sums -> int8 outputs, rounding family S: one float multiplication, halves to even, as XNNPACK's fp32
 * requantization (qs8-qc8w kernels). Adding 1.5 * 2^23 puts the rounded number into the last bits of the float. As whole
 * numbers, the bits of floats are in the order of the floats, so that the bounds catch what is too large for that, and
 * all negatives. All arrays are filled up to multiples of four. */
typedef struct {
    const float *multiplier;
    int32_t zero_point, low, high;
} conv_outputs_t;

#if defined(__ARM_FEATURE_MVE) && (__ARM_FEATURE_MVE & 2)
#include <arm_mve.h>

static void conv_store(const conv_outputs_t *to, const int32_t *sums, int32_t count, int8_t *out, int32_t unit) {
    const int32_t zero = 0x4B400000 - to->zero_point;
    const float32x4_t product = vmulq_f32(vcvtq_f32_s32(vldrwq_s32(sums)), vldrwq_f32(to->multiplier + unit));
    int32x4_t bits = vreinterpretq_s32_f32(vaddq_f32(product, vdupq_n_f32(12582912.0f)));
    bits = vminq_s32(vmaxq_s32(bits, vdupq_n_s32(zero + to->low)), vdupq_n_s32(zero + to->high));
    vstrbq_p_s32(out, vsubq_n_s32(bits, zero), vctp32q((uint32_t)count));
}
#else
CONV_APART static void conv_store(const conv_outputs_t *to, const int32_t *sums, int32_t count, int8_t *out, int32_t unit) {
    const float *multiplier = to->multiplier + unit;
    const int32_t zero = 0x4B400000 - to->zero_point;
    const int32_t low = zero + to->low, high = zero + to->high;
    for (const int32_t *const end = sums + count; sums != end; sums++) {
        const float product = (float)*sums * *multiplier++;
        union {
            float value;
            int32_t bits;
        } rounded;
        rounded.value = product + 12582912.0f;
        const int32_t bits = rounded.bits < low ? low : rounded.bits;
        *out++ = (int8_t)((bits > high ? high : bits) - zero);
    }
}
#endif
