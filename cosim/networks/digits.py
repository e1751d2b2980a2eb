"""The LSTM of the digits on tiles: each gate straight out of the ramp ADC of one tile, the last layer digital."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from cosim.networks.references import graph_of
from cosim.networks.tiled import TiledNetwork
from cosim.networks.weights import LstmWeights
from cosim.tiles.hardware import FidelityChoice, Hardware
from cosim.tiles.protocol import Fidelity
from cosim.tiles.scaling import ScalingConfig


def gate_scales(weights: LstmWeights) -> dict[str, float]:
    """Full scales of the gates: inputs of 1, and the window that the weights were trained for, on whose grid they lie
    where the training was quantisation-aware."""
    return {"s_x": 1.0, "s_w": weights.metadata.w_max}


def digits_network(
    weights: LstmWeights, hardware: Hardware, fidelity: FidelityChoice = Fidelity.BEHAVIOURAL
) -> TiledNetwork:
    """The network with one tile a gate, not yet programmed; its full scales are stated, so it needs no calibration.

    Parameters
    ----------
    hardware: what the tiles are made of; their size is the weights'.
    fidelity: of all gates, or a mapping of their names ("lstm.l0.i" ..) as of `TiledNetwork`.

    Raises CosimError where a gate is larger than any tile can be.
    """
    _, rows, columns = weights.gates.shape
    tile = hardware.config(hardware.tile.adc.function, inputs=rows, outputs=columns)
    of_gates = fidelity if isinstance(fidelity, Mapping) else {"lstm": fidelity}
    return TiledNetwork(
        graph_of(weights),
        replace(hardware, tile=tile),
        scaling={"lstm": ScalingConfig(**gate_scales(weights)), "head": ScalingConfig()},
        fidelity={**of_gates, "head": Fidelity.IDEAL},
        activations="ramp",
    )
