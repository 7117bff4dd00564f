"""Physics-informed, seeded simulators of machines, with labelled faults."""
