"""Measured data: a CSV table and a small TOML that names its columns and units become a block's data set."""

from cosim.blocks.lab.importing import KINDS, import_lab

__all__ = ["KINDS", "import_lab"]
