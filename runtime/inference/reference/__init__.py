"""A pure NumPy interpreter of int8 .tflite models that gives the very bits of the kernels of each rounding family.

It answers what a board's kernels compute where they are not installed: a threshold for a microcontroller is calibrated
on it, and a microcontroller's bundle is scored with it on a desktop or gateway. ``graph`` reads a model, ``rounding``
holds what the families differ in, each operator has a module, ``program`` runs them.
"""
