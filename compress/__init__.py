"""The desktop: quantize a trained detector, fit it to a board, prove it, pack the bundle."""
