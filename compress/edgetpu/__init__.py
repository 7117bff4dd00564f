"""The Edge TPU of Coral boards: check a model, rewrite it, compile it, and say whether that is worth it."""
