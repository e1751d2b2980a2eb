"""Memristor devices: parameters from `device_models/`; what programming and reading do to conductances."""

from cosim.devices.device import Device, load_device
from cosim.devices.memristor import current, program, read

__all__ = ["Device", "current", "load_device", "program", "read"]
