"""The CMOS process: transistor models of a corner, from the shipped cards or from a kit on the user's disk."""

from cosim.process.mismatch import Mismatch, mismatch_of
from cosim.process.process import CORNERS, Process, load_process

__all__ = ["CORNERS", "Mismatch", "Process", "load_process", "mismatch_of"]
