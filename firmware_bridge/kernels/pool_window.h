/* The part of a pooling window that lies inside the input, along one axis. */
typedef struct {
    int32_t begin;
    int32_t end;
} pool_window_t;

static pool_window_t pool_window(int32_t position, int32_t stride, int32_t filter, int32_t padding, int32_t size) {
    pool_window_t window;
    window.begin = position * stride - padding;
    window.end = window.begin + filter;
    window.begin = window.begin < 0 ? 0 : window.begin;
    window.end = window.end > size ? size : window.end;
    return window;
}
