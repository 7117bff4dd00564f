/* int32 sum -> int8 step, rounding family S: one float multiplication, halves to even, as XNNPACK's fp32 requantization.
 * Adding 1.5 * 2^23 puts the rounded number into the last bits of the float; the bounds keep it there. */
static int32_t requantize(int32_t sum, float multiplier) {
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
