"""The gateway daemon: its loop, its table of streams, what it tells of itself, and how it takes a new configuration."""
