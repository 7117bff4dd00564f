"""Scores become incidents: debounce, maintenance, caps, and the faults of the data itself."""
