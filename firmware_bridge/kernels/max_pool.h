/* The largest element of each window. */
static void max_pool(const int8_t *in, int8_t *out, int32_t height, int32_t width, int32_t channels,
                     int32_t out_height, int32_t out_width, int32_t filter_height, int32_t filter_width,
                     int32_t stride_height, int32_t stride_width, int32_t padding_height, int32_t padding_width,
                     int32_t low, int32_t high) {
    for (int32_t y = 0; y < out_height; y++) {
        const pool_window_t rows = pool_window(y, stride_height, filter_height, padding_height, height);
        for (int32_t x = 0; x < out_width; x++) {
            const pool_window_t columns = pool_window(x, stride_width, filter_width, padding_width, width);
            for (int32_t channel = 0; channel < channels; channel++) {
                int32_t largest = -128;
                for (int32_t row = rows.begin; row < rows.end; row++) {
                    for (int32_t column = columns.begin; column < columns.end; column++) {
                        const int32_t value = in[(row * width + column) * channels + channel];
                        largest = value > largest ? value : largest;
                    }
                }
                *out++ = clamp(largest, low, high);
            }
        }
    }
}
