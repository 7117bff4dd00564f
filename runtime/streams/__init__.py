"""Streams: a detector and alerts for each device, scored in batches with all that share a bundle."""
