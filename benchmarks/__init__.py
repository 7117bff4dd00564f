"""Accuracy, latency, energy, memory; reports; peers; and the demo that shows all of it."""
