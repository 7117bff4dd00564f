/* Copies a block of one to six dimensions: out[sum of i * out_step] = in[sum of i * in_step] for the indices i of all
 * dimensions, each below its size. block holds the sizes, then the in_steps, then the out_steps. */
static void copy_block(const int8_t *in, int8_t *out, int32_t dimensions, const int32_t *block) {
    const int32_t *in_steps = block + dimensions, *out_steps = in_steps + dimensions;
    const int32_t last = dimensions - 1;
    int32_t index[6] = {0};
    int32_t from = 0, to = 0, dimension;
    do {
        for (int32_t i = 0; i < block[last]; i++) {
            out[to + i * out_steps[last]] = in[from + i * in_steps[last]];
        }
        for (dimension = last - 1; dimension >= 0; dimension--) {
            from += in_steps[dimension];
            to += out_steps[dimension];
            if (++index[dimension] < block[dimension]) {
                break;
            }
            from -= block[dimension] * in_steps[dimension];
            to -= block[dimension] * out_steps[dimension];
            index[dimension] = 0;
        }
    } while (dimension >= 0);
}
