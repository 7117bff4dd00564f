/* Copies rows of so many bytes, whose starts lie in_step and out_step bytes apart. */
static void copy_rows(const int8_t *in, int8_t *out, int32_t rows, int32_t bytes, int32_t in_step, int32_t out_step) {
    for (int32_t row = 0; row < rows; row++) {
        for (int32_t i = 0; i < bytes; i++) {
            out[row * out_step + i] = in[row * in_step + i];
        }
    }
}
