"""``gateway.toml``: read, merged with its drop-ins and the environment, checked."""
