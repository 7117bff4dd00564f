"""Compiling generated C, its size, and running it on this host and on emulated cores to prove what it computes."""
