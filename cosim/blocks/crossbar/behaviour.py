from cosim.blocks.crossbar.elimination import clamp_admittance, effective_conductance

__all__ = ["clamp_admittance", "effective_conductance"]
