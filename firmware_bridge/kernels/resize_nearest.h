/* Picks rows and columns of images: out[n][y][x] = in[n][rows[y]][columns[x]], pixels of so many channels. */
static void resize_nearest(const int8_t *in, int8_t *out, int32_t images, int32_t in_height, int32_t in_width,
                           int32_t out_height, int32_t out_width, int32_t channels, const uint16_t *rows,
                           const uint16_t *columns) {
    for (int32_t image = 0; image < images; image++) {
        for (int32_t y = 0; y < out_height; y++) {
            const int8_t *row = in + rows[y] * in_width * channels;
            for (int32_t x = 0; x < out_width; x++) {
                const int8_t *pixel = row + columns[x] * channels;
                for (int32_t channel = 0; channel < channels; channel++) {
                    *out++ = pixel[channel];
                }
            }
        }
        in += in_height * in_width * channels;
    }
}
