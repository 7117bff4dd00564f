/* A product that is fused with a sum rounds once instead of twice: other bits. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC push_options
#pragma GCC optimize("fp-contract=off")
#else
#pragma STDC FP_CONTRACT OFF
#endif
/* The mean of size_a times size_b elements, which are stride_a and stride_b apart, rounding family S: the zero points are
 * in offset. */
static int8_t mean(const int8_t *in, int32_t size_a, int32_t stride_a, int32_t size_b, int32_t stride_b,
                   float multiplier, float offset) {
    int32_t sum = 0;
    float product;
    for (int32_t a = 0; a < size_a; a++) {
        for (int32_t b = 0; b < size_b; b++) {
            sum += in[a * stride_a + b * stride_b];
        }
    }
    product = (float)sum * multiplier;
    return clamp(nearest(product + offset), -128, 127);
}
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC pop_options
#endif
