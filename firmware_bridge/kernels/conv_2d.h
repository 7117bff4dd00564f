/* A convolution. Rows of weights are in the order of a patch, each `size` long and filled up with zeros to `depth`. From
 * one output to the next in a row are `column_step` elements, from a row to the next `row_step`. */
typedef struct {
    const int8_t *weights;
    const int32_t *bias;
    conv_outputs_t outputs;
    conv_window_t window;
    int32_t size, depth, units, rows, columns, row_step, column_step;
} conv_2d_t;

CONV_APART static void conv_2d(const conv_2d_t *layer, const int8_t *in, int8_t *out, void *scratch) {
    const int32_t size = layer->size, depth = layer->depth, step = layer->column_step;
    int8_t *const patch = (int8_t *)scratch + 4 * depth;
    for (int32_t row = 0; row < layer->rows; row++) {
        int8_t *to = out + row * layer->row_step;
        for (int32_t column = 0; column < layer->columns; column += CONV_POSITIONS) {
            const int32_t left = layer->columns - column, count = left < CONV_POSITIONS ? left : CONV_POSITIONS;
            const int8_t *weights = layer->weights;
            const conv_operand_t *x = NULL;
            for (int32_t i = 0; i < count; i++) {
                x = conv_operands(conv_patch(&layer->window, in, row, column + i, patch), size, i, scratch);
            }
            for (int32_t unit = 0, units = layer->units; unit < units; unit += 4) {
                const int32_t rest = units - unit, rows = rest < 4 ? rest : 4;
                int32_t sums[4 * CONV_POSITIONS];
                conv_dot(x, weights, depth, size, rows, layer->bias + unit, sums);
                weights += 4 * depth;
                for (int32_t i = 0; i < count; i++) {
                    conv_store(&layer->outputs, sums + 4 * i, rows, to + i * step + unit, unit);
                }
            }
            to += CONV_POSITIONS * step;
        }
    }
}
