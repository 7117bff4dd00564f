/* Four sums of products of the same input: sums[row] = bias[row] + w[row] . in. Weights stand in the order in which they
 * are read: sixteen columns of each row in turn, the last columns filled up with zeros to a multiple of four. `depth` is
 * without these; of `in` no more is read. */
#if defined(__GNUC__)
/* A function of its own has all registers for its loop. */
#define DOT_APART __attribute__((noinline))
#else
#define DOT_APART
#endif

#if defined(__ARM_FEATURE_MVE) && __ARM_FEATURE_MVE
#include <arm_mve.h>

/* Helium: sixteen products and their sum at once. */
typedef int8_t dot_input_t;

static const dot_input_t *dot_input(const int8_t *in, int32_t depth, void *scratch) {
    (void)depth;
    (void)scratch;
    return in;
}

DOT_APART static void dot_4(const dot_input_t *in, const int8_t *w, int32_t depth, const int32_t *bias, int32_t sums[4]) {
    int32_t sum0 = bias[0], sum1 = bias[1], sum2 = bias[2], sum3 = bias[3];
    for (; depth >= 16; depth -= 16) {
        const int8x16_t x = vldrbq_s8(in);
        sum0 = vmladavaq_s8(sum0, x, vldrbq_s8(w));
        sum1 = vmladavaq_s8(sum1, x, vldrbq_s8(w + 16));
        sum2 = vmladavaq_s8(sum2, x, vldrbq_s8(w + 32));
        sum3 = vmladavaq_s8(sum3, x, vldrbq_s8(w + 48));
        in += 16;
        w += 64;
    }
    if (depth > 0) {
        const int32_t width = (depth + 3) & ~3;
        const mve_pred16_t some = vctp8q((uint32_t)depth);
        const int8x16_t x = vldrbq_z_s8(in, some);
        sum0 = vmladavaq_p_s8(sum0, x, vldrbq_z_s8(w, some), some);
        sum1 = vmladavaq_p_s8(sum1, x, vldrbq_z_s8(w + width, some), some);
        sum2 = vmladavaq_p_s8(sum2, x, vldrbq_z_s8(w + 2 * width, some), some);
        sum3 = vmladavaq_p_s8(sum3, x, vldrbq_z_s8(w + 3 * width, some), some);
    }
    sums[0] = sum0;
    sums[1] = sum1;
    sums[2] = sum2;
    sums[3] = sum3;
}
#elif defined(__ARM_FEATURE_DSP) && defined(__ARM_FEATURE_SIMD32)
#include <arm_acle.h>

/* The DSP extension multiplies two pairs of 16 bits at once. SXTB16 makes such pairs of the bytes 0 and 2, and of 1 and 3, of
 * a word; the input is widened once, in that order, for all rows. */
typedef int16x2_t dot_input_t;

static uint32_t dot_word(const int8_t *bytes) {
    uint32_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

/* In one instruction, which GCC does not make of a rotation and an intrinsic. */
static int16x2_t dot_odd(uint32_t word) {
    int16x2_t pair;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(pair) : "r"(word));
    return pair;
}

static const dot_input_t *dot_input(const int8_t *in, int32_t depth, void *scratch) {
    dot_input_t *out = (dot_input_t *)scratch;
    for (; depth >= 4; depth -= 4) {
        const uint32_t word = dot_word(in);
        *out++ = __sxtb16((int8x4_t)word);
        *out++ = dot_odd(word);
        in += 4;
    }
    if (depth > 0) {
        uint32_t word = 0;
        memcpy(&word, in, (size_t)depth);
        *out++ = __sxtb16((int8x4_t)word);
        *out++ = dot_odd(word);
    }
    return (const dot_input_t *)scratch;
}

/* Four columns of a row. */
#define DOT_WORD(sum, bytes) \
    do { \
        const uint32_t word_ = dot_word(bytes); \
        sum = __smlad(__sxtb16((int8x4_t)word_), even, sum); \
        sum = __smlad(dot_odd(word_), odd, sum); \
    } while (0)

/* The same four columns of four rows, which lie `width` bytes apart. The empty statement keeps the compiler from reading
 * ahead: there are no registers for that. */
#define DOT_COLUMNS(place, width) \
    do { \
        __asm__ volatile("" : : : "memory"); \
        const int16x2_t even = in[(place) / 2], odd = in[(place) / 2 + 1]; \
        DOT_WORD(sum0, w + (place)); \
        DOT_WORD(sum1, w + (width) + (place)); \
        DOT_WORD(sum2, w + 2 * (width) + (place)); \
        DOT_WORD(sum3, w + 3 * (width) + (place)); \
    } while (0)

/* The columns beyond the last sixteen. */
DOT_APART static void dot_rest(const dot_input_t *in, const int8_t *w, int32_t depth, const int32_t *bias, int32_t sums[4]) {
    const int32_t width = (depth + 3) & ~3;
    int32_t sum0 = bias[0], sum1 = bias[1], sum2 = bias[2], sum3 = bias[3];
    for (int32_t left = width; left > 0; left -= 4) {
        DOT_COLUMNS(0, width);
        in += 2;
        w += 4;
    }
    sums[0] = sum0;
    sums[1] = sum1;
    sums[2] = sum2;
    sums[3] = sum3;
}

DOT_APART static void dot_4(const dot_input_t *in, const int8_t *w, int32_t depth, const int32_t *bias, int32_t sums[4]) {
    int32_t sum0 = bias[0], sum1 = bias[1], sum2 = bias[2], sum3 = bias[3];
    for (; depth >= 16; depth -= 16) {
        DOT_COLUMNS(0, 16);
        DOT_COLUMNS(4, 16);
        DOT_COLUMNS(8, 16);
        DOT_COLUMNS(12, 16);
        in += 8;
        w += 64;
    }
    if (depth > 0) {
        const int32_t rest[4] = {sum0, sum1, sum2, sum3};
        dot_rest(in, w, depth, rest, sums);
        return;
    }
    sums[0] = sum0;
    sums[1] = sum1;
    sums[2] = sum2;
    sums[3] = sum3;
}
#else
/* Plain C. */
typedef int8_t dot_input_t;

static const dot_input_t *dot_input(const int8_t *in, int32_t depth, void *scratch) {
    (void)depth;
    (void)scratch;
    return in;
}

DOT_APART static void dot_4(const dot_input_t *in, const int8_t *w, int32_t depth, const int32_t *bias, int32_t sums[4]) {
    int32_t sum0 = bias[0], sum1 = bias[1], sum2 = bias[2], sum3 = bias[3];
    for (; depth > 0; depth -= 16) {
        const int32_t count = depth < 16 ? depth : 16, width = (count + 3) & ~3;
        const int8_t *const w1 = w + width, *const w2 = w1 + width, *const w3 = w2 + width;
        for (int32_t i = 0; i < count; i++) {
            const int32_t x = in[i];
            sum0 += x * w[i];
            sum1 += x * w1[i];
            sum2 += x * w2[i];
            sum3 += x * w3[i];
        }
        in += count;
        w += 4 * width;
    }
    sums[0] = sum0;
    sums[1] = sum1;
    sums[2] = sum2;
    sums[3] = sum3;
}

#endif
