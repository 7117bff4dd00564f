"""What runs an int8 model: the installed interpreter, or the reference kernels."""
