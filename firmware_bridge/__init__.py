"""The same model as C99 for Cortex-M, and the serial link between microcontroller and gateway (not written yet)."""
