/* A number of -512 to 512 as an integer, halves to even; what is beyond becomes the bound. Adding 1.5 * 2^23 puts the
 * rounded number into the last bits of the float. */
static int32_t nearest(float value) {
    const float magic = 12582912.0f;
    union {
        float value;
        int32_t bits;
    } rounded;
    value = value < -512.0f ? -512.0f : value > 512.0f ? 512.0f : value;
    rounded.value = value + magic;
    return rounded.bits - 0x4B400000;
}
