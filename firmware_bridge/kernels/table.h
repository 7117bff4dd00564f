/* Each byte through a table, whose first entry is that of -128. */
static void look_up(const int8_t *in, int8_t *out, int32_t size, const int8_t *table) {
    for (int32_t i = 0; i < size; i++) {
        out[i] = table[in[i] + 128];
    }
}
