"""Physics-informed, seeded simulators of machines, with labelled faults."""

from __future__ import annotations

from vedette.train.simulators import pump

# What `vedette simulate KIND` knows.
SIMULATORS = {"pump": pump.simulate}
