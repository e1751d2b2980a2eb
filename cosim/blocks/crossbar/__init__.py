"""The crossbar: an array of memristors with the resistance of its wires, drivers and clamps."""
