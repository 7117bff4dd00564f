"""How samples come in: sources, payload formats, order in time, and the queue into the daemon."""
