"""The C of a bundle's detector: everything around the network, from samples to scores and alerts."""
