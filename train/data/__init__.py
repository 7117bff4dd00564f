"""From files of sensor data to what a model learns from: read, checked, on one grid, held, scaled, cut into runs."""
