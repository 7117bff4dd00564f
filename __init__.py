"""vedette: anomaly detectors trained on the desktop, proven after compression, run on the device."""

__version__ = "0.1.0"
