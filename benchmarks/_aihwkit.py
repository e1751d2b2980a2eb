"""aihwkit as a yardstick: it is no dependency, and the benchmarks leave its lines out where it is not installed.

    pip install --no-deps --target FOLDER aihwkit==1.1.0      (beside CPU torch, e.g. cosim's extra `train`)
    PYTHONPATH=FOLDER python benchmarks/lstm_inference.py

Its compiled tiles need the torch they were built with; its torch tiles, which are compared with here, do not. Settings
are aihwkit's own (converters of 7 and 9 bits, output noise, no read noise, no wires), the size of the tiles aside.
"""

from __future__ import annotations

import sys
from typing import Any


def aihwkit_version() -> str | None:
    """None, and a note, where it is not installed."""
    try:
        import aihwkit
    except ImportError:
        print("aihwkit is not installed: see the head of benchmarks/_aihwkit.py", file=sys.stderr)
        return None
    return str(aihwkit.__version__)


def tiles_of(inputs: int, outputs: int) -> Any:
    """Configuration of inference on torch tiles of at most this size."""
    from aihwkit.simulator.configs import TorchInferenceRPUConfig

    config = TorchInferenceRPUConfig()
    config.mapping.max_input_size, config.mapping.max_output_size = inputs, outputs
    return config
