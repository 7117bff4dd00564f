"""Proof of delivery: kills, power cuts, a broker that is away for a week. ``python -m vedette.benchmarks.delivery``."""
