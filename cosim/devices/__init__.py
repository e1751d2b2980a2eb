"""Memristor devices: parameters and SPICE models of `device_models/`; what programming and reading do to a cell."""

from cosim.devices.device import Device, load_device
from cosim.devices.memristor import current, drift_exponents, drifted, program, read
from cosim.devices.parameters import Dynamic
from cosim.devices.safety import check_netlist, checked_text

__all__ = [
    "Device",
    "Dynamic",
    "check_netlist",
    "checked_text",
    "current",
    "drift_exponents",
    "drifted",
    "load_device",
    "program",
    "read",
]
