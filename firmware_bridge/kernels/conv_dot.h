/* Sums of products of up to four rows of weights and of the patches of CONV_POSITIONS outputs: sums[4 * position + row]
 * = bias[row] + patch . row. The rows follow each other, each filled up with zeros to `depth`, a multiple of four. */
#if defined(__ARM_FEATURE_MVE)
#include <arm_mve.h>
#define CONV_POSITIONS 1

/* Helium: sixteen products and their sum at once. */
typedef int8_t conv_operand_t;

static const conv_operand_t *conv_operands(const int8_t *patch, int32_t size, int32_t position, void *scratch) {
    (void)size, (void)position, (void)scratch;
    return patch;
}

/* Of a patch no more than its `size` is read. */
static void conv_dot(const conv_operand_t *x, const int8_t *w0, int32_t depth, int32_t size, int32_t rows,
                     const int32_t *bias, int32_t *sums) {
    const int8_t *w1 = rows > 1 ? w0 + depth : w0, *w2 = rows > 2 ? w1 + depth : w0, *w3 = rows > 3 ? w2 + depth : w0;
    int32_t sum0 = bias[0], sum1 = bias[1], sum2 = bias[2], sum3 = bias[3];
    for (; size >= 16; size -= 16, x += 16, w0 += 16, w1 += 16, w2 += 16, w3 += 16) {
        const int8x16_t inputs = vldrbq_s8(x);
        sum0 = vmladavaq_s8(sum0, inputs, vldrbq_s8(w0));
        sum1 = vmladavaq_s8(sum1, inputs, vldrbq_s8(w1));
        sum2 = vmladavaq_s8(sum2, inputs, vldrbq_s8(w2));
        sum3 = vmladavaq_s8(sum3, inputs, vldrbq_s8(w3));
    }
    if (size > 0) {
        const mve_pred16_t rest = vctp8q((uint32_t)size);
        const int8x16_t inputs = vldrbq_z_s8(x, rest);
        sum0 = vmladavaq_s8(sum0, inputs, vldrbq_z_s8(w0, rest));
        sum1 = vmladavaq_s8(sum1, inputs, vldrbq_z_s8(w1, rest));
        sum2 = vmladavaq_s8(sum2, inputs, vldrbq_z_s8(w2, rest));
        sum3 = vmladavaq_s8(sum3, inputs, vldrbq_z_s8(w3, rest));
    }
    sums[0] = sum0, sums[1] = sum1, sums[2] = sum2, sums[3] = sum3;
}
#elif defined(__ARM_FEATURE_DSP) && defined(__ARM_FEATURE_SIMD32) && defined(__GNUC__)
#include <arm_acle.h>
#define CONV_POSITIONS 2

/* SMLAD multiplies two int16 by two and adds both products. SXTB16 makes two int16 of the bytes 0 and 2 of a word, or of
 * 1 and 3. Two patches share the weights that are taken apart so, two rows the patches, which stand alternately, taken
 * apart already: even bytes of the first patch, of the second, odd bytes of the first, of the second. */
typedef int16x2_t conv_operand_t;

static uint32_t conv_word(const int8_t *bytes) {
    uint32_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

static int16x2_t conv_even(uint32_t word) {
    return __sxtb16((int8x4_t)word);
}

/* In one instruction, which GCC does not make of a rotation and an intrinsic. */
static int16x2_t conv_odd(uint32_t word) {
    int16x2_t pair;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(pair) : "r"(word));
    return pair;
}

static const conv_operand_t *conv_operands(const int8_t *patch, int32_t size, int32_t position, void *scratch) {
    conv_operand_t *to = (conv_operand_t *)scratch + position;
    for (; size >= 4; size -= 4, patch += 4, to += 4) {
        const uint32_t word = conv_word(patch);
        to[0] = conv_even(word);
        to[2] = conv_odd(word);
    }
    if (size > 0) {
        uint32_t word = 0;
        memcpy(&word, patch, (size_t)size);
        to[0] = conv_even(word);
        to[2] = conv_odd(word);
    }
    return (const conv_operand_t *)scratch;
}

CONV_APART static void conv_two(const conv_operand_t *x, const int8_t *w0, const int8_t *w1, int32_t depth, const int32_t *bias,
                     int32_t *sums) {
    int32_t sum00 = bias[0], sum01 = bias[1], sum10 = bias[0], sum11 = bias[1];
    for (const conv_operand_t *const end = x + depth; x != end; x += 4, w0 += 4, w1 += 4) {
        const uint32_t word0 = conv_word(w0), word1 = conv_word(w1);
        const int16x2_t even0 = conv_even(word0), even1 = conv_even(word1);
        const int16x2_t odd0 = conv_odd(word0), odd1 = conv_odd(word1);
        sum00 = __smlad(even0, x[0], sum00);
        sum01 = __smlad(even1, x[0], sum01);
        sum10 = __smlad(even0, x[1], sum10);
        sum11 = __smlad(even1, x[1], sum11);
        sum00 = __smlad(odd0, x[2], sum00);
        sum01 = __smlad(odd1, x[2], sum01);
        sum10 = __smlad(odd0, x[3], sum10);
        sum11 = __smlad(odd1, x[3], sum11);
    }
    sums[0] = sum00, sums[1] = sum01, sums[4] = sum10, sums[5] = sum11;
}

static void conv_dot(const conv_operand_t *x, const int8_t *w0, int32_t depth, int32_t size, int32_t rows,
                     const int32_t *bias, int32_t *sums) {
    (void)size;
    conv_two(x, w0, rows > 1 ? w0 + depth : w0, depth, bias, sums);
    if (rows > 2) {
        w0 += 2 * depth;
        conv_two(x, w0, rows > 3 ? w0 + depth : w0, depth, bias + 2, sums + 2);
    }
}
#else
#define CONV_POSITIONS 1

/* Plain C. */
typedef int8_t conv_operand_t;

static const conv_operand_t *conv_operands(const int8_t *patch, int32_t size, int32_t position, void *scratch) {
    (void)size, (void)position, (void)scratch;
    return patch;
}

CONV_APART static void conv_dot(const conv_operand_t *x, const int8_t *w0, int32_t depth, int32_t size, int32_t rows,
                     const int32_t *bias, int32_t *sums) {
    const int8_t *w1 = rows > 1 ? w0 + depth : w0, *w2 = rows > 2 ? w1 + depth : w0, *w3 = rows > 3 ? w2 + depth : w0;
    int32_t sum0 = bias[0], sum1 = bias[1], sum2 = bias[2], sum3 = bias[3];
    for (const conv_operand_t *const end = x + size; x != end; x++) {
        const int32_t input = *x;
        sum0 += input * *w0++;
        sum1 += input * *w1++;
        sum2 += input * *w2++;
        sum3 += input * *w3++;
    }
    sums[0] = sum0, sums[1] = sum1, sums[2] = sum2, sums[3] = sum3;
}
#endif
