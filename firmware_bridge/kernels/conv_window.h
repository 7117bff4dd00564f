#include <string.h>

#if defined(__GNUC__)
/* A function of its own has all registers for its loop. */
#define CONV_APART __attribute__((noinline))
#else
#define CONV_APART
#endif

/* How a kernel goes over an input of height x width x channels. Every channel stands `repeats` times in a patch. */
typedef struct {
    int32_t height, width, channels, repeats;
    int32_t kernel_height, kernel_width, stride_height, stride_width, dilation_height, dilation_width;
    int32_t top, left; /* what the kernel begins before the input */
    int32_t zero_point;
} conv_window_t;

/* `count` places of the input, each channel repeated; outside of the input (in = NULL) they are all its zero point. */
static int8_t *conv_copy(const conv_window_t *window, const int8_t *in, int32_t count, int8_t *to) {
    const int32_t size = count * window->channels;
    if (in == NULL) {
        memset(to, window->zero_point, (size_t)(size * window->repeats));
        return to + size * window->repeats;
    }
    if (window->repeats == 1) {
        memcpy(to, in, (size_t)size);
        return to + size;
    }
    for (int32_t i = 0; i < size; i++) {
        memset(to, in[i], (size_t)window->repeats);
        to += window->repeats;
    }
    return to;
}

/* The inputs under the kernel at an output, as a row in the order of the kernel: where they already are one in the input,
 * otherwise gathered in `patch`. */
static const int8_t *conv_patch(const conv_window_t *window, const int8_t *in, int32_t row, int32_t column,
                                int8_t *patch) {
    const int32_t y0 = row * window->stride_height - window->top;
    const int32_t x0 = column * window->stride_width - window->left;
    const int32_t reach = (window->kernel_width - 1) * window->dilation_width;
    const int plain = x0 >= 0 && x0 + reach < window->width && (window->dilation_width == 1 || reach == 0);
    int8_t *to = patch;
    if (plain && window->kernel_height == 1 && y0 >= 0 && y0 < window->height && window->repeats == 1) {
        return in + (y0 * window->width + x0) * window->channels;
    }
    for (int32_t i = 0; i < window->kernel_height; i++) {
        const int32_t y = y0 + i * window->dilation_height;
        const int8_t *line = y >= 0 && y < window->height ? in + y * window->width * window->channels : NULL;
        if (line == NULL || plain) {
            to = conv_copy(window, line == NULL ? NULL : line + x0 * window->channels, window->kernel_width, to);
            continue;
        }
        for (int32_t j = 0; j < window->kernel_width; j++) {
            const int32_t x = x0 + j * window->dilation_width;
            to = conv_copy(window, x >= 0 && x < window->width ? line + x * window->channels : NULL, 1, to);
        }
    }
    return patch;
}
