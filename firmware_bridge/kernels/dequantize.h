static void dequantize(const int8_t *in, float *out, int32_t size, float scale, int32_t zero_point) {
    for (int32_t i = 0; i < size; i++) {
        out[i] = (float)(in[i] - zero_point) * scale;
    }
}
