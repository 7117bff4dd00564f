"""Bundles: the file that a board runs, its manifest, its self-test."""
