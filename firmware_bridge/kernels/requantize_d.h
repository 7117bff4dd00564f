/* int32 sum -> int8 step, rounding family D: gemmlowp's SaturatingRoundingDoublingHighMul, then RoundingDivideByPOT
 * (gemmlowp/fixedpoint/fixedpoint.h), as in TFLite Micro and CMSIS-NN. The sum times 2^shift must be within int32. */
static int32_t requantize(int32_t sum, int32_t multiplier, int32_t shift) {
    const int32_t left = shift > 0 ? shift : 0;
    const int32_t right = shift > 0 ? 0 : -shift;
    const int64_t product = (int64_t)(sum * ((int32_t)1 << left)) * multiplier;
    const int32_t high = (int32_t)((product + ((int64_t)1 << 30)) >> 31);
    const int32_t mask = (int32_t)(((int64_t)1 << right) - 1);
    const int32_t rest = high & mask;
    const int32_t limit = (mask >> 1) + (high < 0 ? 1 : 0);
    return (int32_t)((int64_t)high >> right) + (rest > limit ? 1 : 0);
}
