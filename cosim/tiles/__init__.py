"""Tiles: DAC + crossbar + ramp ADC behind one protocol, at four fidelities."""
