static void fill(int8_t *out, int32_t size, int8_t value) {
    for (int32_t i = 0; i < size; i++) {
        out[i] = value;
    }
}
