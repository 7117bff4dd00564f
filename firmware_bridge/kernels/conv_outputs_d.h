/* int32 sums -> int8 outputs, rounding family D: gemmlowp's SaturatingRoundingDoublingHighMul, then RoundingDivideByPOT
 * (gemmlowp/fixedpoint/fixedpoint.h), as in TFLite Micro and CMSIS-NN. Every output has its multiplier and shift, left
 * where it is positive; no sum leaves int32 by that. All arrays are filled up to multiples of four. */
typedef struct {
    const int32_t *multiplier;
    const int8_t *shift;
    int32_t zero_point, low, high;
    int32_t plain; /* whether all shifts are to the right, and twice a sum is within int32 too */
} conv_outputs_t;

#if defined(__ARM_FEATURE_MVE)
#include <arm_mve.h>

/* VQRDMULH is the first rounding. VRSHL rounds halves up; one less below zero makes it round them away from zero. */
static void conv_store(const conv_outputs_t *to, const int32_t *sums, int32_t count, int8_t *out, int32_t unit) {
    const int32x4_t shift = vldrbq_s32(to->shift + unit), zero = vdupq_n_s32(0);
    const int32x4_t left = vmaxq_s32(shift, zero), right = vminq_s32(shift, zero);
    const int32x4_t multiplier = vldrwq_s32(to->multiplier + unit);
    int32x4_t steps = vqrdmulhq_s32(vshlq_s32(vldrwq_s32(sums), left), multiplier);
    steps = vaddq_s32(steps, vshrq_n_s32(vandq_s32(steps, right), 31));
    steps = vaddq_n_s32(vrshlq_s32(steps, right), to->zero_point);
    steps = vminq_s32(vmaxq_s32(steps, vdupq_n_s32(to->low)), vdupq_n_s32(to->high));
    vstrbq_p_s32(out, steps, vctp32q((uint32_t)count));
}
#else
/* A right shift rounds halves up by adding 1 to twice its result; one less below zero makes them go away from zero. */
CONV_APART static void conv_store_plain(const conv_outputs_t *to, const int32_t *sums, int32_t count, int8_t *out, int32_t unit) {
    const int32_t *multiplier = to->multiplier + unit;
    const int8_t *shift = to->shift + unit;
    const int32_t low = to->low, high = to->high, nudge = 2 * to->zero_point + 1;
    const int32_t *const end = sums + count;
    do {
        const int64_t product = (int64_t)(2 * *sums++) * *multiplier++ + ((int64_t)1 << 31);
        const int32_t half = (int32_t)(product >> 32);
        int32_t steps = (((half + (half >> 31)) >> ~*shift++) + nudge) >> 1;
        steps = steps < low ? low : steps;
        steps = steps > high ? high : steps;
        *out++ = (int8_t)steps;
    } while (sums != end);
}

static void conv_store(const conv_outputs_t *to, const int32_t *sums, int32_t count, int8_t *out, int32_t unit) {
    if (to->plain) {
        conv_store_plain(to, sums, count, out, unit);
        return;
    }
    for (int32_t i = 0; i < count; i++) {
        const int32_t shift = to->shift[unit + i], left = shift > 0 ? shift : 0;
        const int64_t product = (int64_t)(sums[i] * ((int32_t)1 << left)) * to->multiplier[unit + i];
        int32_t steps = (int32_t)((product + ((int64_t)1 << 30)) >> 31);
        if (shift < 0) {
            steps = (((steps + (steps >> 31)) >> ~shift) + 1) >> 1;
        }
        steps += to->zero_point;
        out[i] = (int8_t)(steps < to->low ? to->low : steps > to->high ? to->high : steps);
    }
}
#endif
