/* A depthwise convolution: output `unit` is of that channel of a patch alone. Weights stand in blocks of four units, in a
 * block four for every place of the kernel, the last block filled up with zeros. */
typedef struct {
    const int8_t *weights;
    const int32_t *bias;
    conv_outputs_t outputs;
    conv_window_t window;
    int32_t taps, units, rows, columns;
} depthwise_conv_2d_t;

#if defined(__ARM_FEATURE_MVE)
#include <arm_mve.h>
#endif

/* sums[i] = bias[i] + the sum over places of x[place * step + i] * w[place * 4 + i] */
static void depthwise_sums(const int8_t *x, int32_t step, int32_t count, const int8_t *w, int32_t taps,
                           const int32_t *bias, int32_t sums[4]) {
#if defined(__ARM_FEATURE_MVE)
    const mve_pred16_t some = vctp32q((uint32_t)count);
    int32x4_t sum = vldrwq_s32(bias);
    for (; taps > 0; taps--, x += step, w += 4) {
        sum = vaddq_s32(sum, vmulq_s32(vldrbq_z_s32(x, some), vldrbq_s32(w)));
    }
    vstrwq_s32(sums, sum);
#else
    int32_t sum0 = bias[0], sum1 = bias[1], sum2 = bias[2], sum3 = bias[3];
    const int32_t last = count - 1, i1 = last < 1 ? last : 1, i2 = last < 2 ? last : 2;
    for (; taps > 0; taps--, x += step, w += 4) {
        sum0 += x[0] * w[0];
        sum1 += x[i1] * w[1];
        sum2 += x[i2] * w[2];
        sum3 += x[last] * w[3];
    }
    sums[0] = sum0, sums[1] = sum1, sums[2] = sum2, sums[3] = sum3;
#endif
}

CONV_APART static void depthwise_conv_2d(const depthwise_conv_2d_t *layer, const int8_t *in, int8_t *out, int8_t *scratch) {
    for (int32_t row = 0; row < layer->rows; row++) {
        for (int32_t column = 0; column < layer->columns; column++) {
            const int8_t *x = conv_patch(&layer->window, in, row, column, scratch);
            const int8_t *w = layer->weights;
            for (int32_t unit = 0; unit < layer->units; unit += 4) {
                const int32_t rest = layer->units - unit, count = rest < 4 ? rest : 4;
                int32_t sums[4];
                depthwise_sums(x + unit, layer->units, count, w, layer->taps, layer->bias + unit, sums);
                conv_store(&layer->outputs, sums, count, out + unit, unit);
                w += 4 * layer->taps;
            }
            out += layer->units;
        }
    }
}
