"""From samples to scores: scaling, windows, residuals, scores. Training and gateway share it."""
