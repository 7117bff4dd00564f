"""Physics-informed, seeded simulators of what sensors watch, with labelled faults."""

from __future__ import annotations

from vedette.train.simulators import atm, ecg, meter, network, pump
from vedette.train.simulators.simulator import Simulator

# What `vedette simulate KIND` knows.
SIMULATORS: dict[str, Simulator] = {
    "pump": pump.SIMULATOR,
    "ecg": ecg.SIMULATOR,
    "meter": meter.SIMULATOR,
    "network": network.SIMULATOR,
    "atm": atm.SIMULATOR,
}
