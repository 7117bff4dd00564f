"""Measuring a detector on labelled data, beside baselines: metrics, tables, pictures."""
