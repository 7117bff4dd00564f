"""The C of the kernels, as files that go into generated sources."""
