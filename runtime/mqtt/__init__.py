"""The connection to the broker, whose end is always noticed."""
