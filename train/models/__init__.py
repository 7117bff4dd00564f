"""The model kinds, one module each."""
