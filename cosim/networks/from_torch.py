"""A trained PyTorch module on tiles, without retraining."""

from __future__ import annotations

import importlib.util
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cosim.errors import CosimError
from cosim.networks.graph import Graph
from cosim.networks.layers.protocol import Activations
from cosim.networks.tiled import TiledNetwork
from cosim.tiles.config import TileConfig
from cosim.tiles.hardware import FidelityChoice, Hardware
from cosim.tiles.mapping import MappingConfig
from cosim.tiles.protocol import Fidelity
from cosim.tiles.scaling import ScalingConfig

if TYPE_CHECKING:
    from torch import nn


def from_torch(
    module: nn.Module,
    tile: TileConfig | Hardware,
    *,
    mapping: MappingConfig | None = None,
    scaling: ScalingConfig | Mapping[str, ScalingConfig] | None = None,
    fidelity: FidelityChoice = Fidelity.BEHAVIOURAL,
    activations: Activations = "auto",
    digital: Collection[str] | str = (),
    weights: str | Path | Mapping[str, Any] | None = None,
    fixed: Mapping[str, Any] | None = None,
    batch_axes: Mapping[str, int | None] | None = None,
) -> TiledNetwork:
    """A trained module on tiles; then `calibrate(data)`, `program(rng)` and `forward(data, rng)` it.

    Linear layers, convolutions of one and two dimensions, LSTM and GRU go onto tiles, each named as in the module
    ("blocks.0.conv1"); batch norms behind them are folded; what lies between is digital. The module is copied and
    taken as in inference (eval); it is left as it is.

    Parameters
    ----------
    module: of PyTorch's layers, by any forward that torch.fx can trace.
    tile: what the tiles are: their largest size, bits and circuits; or all of the hardware.
    mapping, scaling, fidelity, activations: see `TiledNetwork`.
    digital: names or types of layers that stay digital, and run in PyTorch in real arithmetic; "all unknown": those
        that cannot be mapped.
    weights: a state_dict, or a file of one (.safetensors, or what torch.save wrote, read with weights_only), that the
        module's copy takes; None: the module's own.
    fixed: arguments of forward that are no tensors, with their values.
    batch_axes: input -> dimension that counts examples, None for one that is the same for all; where it is not said, 1
        for the state and the steps-first sequence of a recurrent layer, else 0.

    Raises CosimError naming every layer that cannot be mapped; when forward cannot be traced; for weights that do not
    fit; and as `TiledNetwork`.
    """
    if not isinstance(tile, Hardware | TileConfig):
        raise CosimError("not a tile", key="tile", value=type(tile).__name__, allowed="TileConfig or Hardware")
    hardware = tile if isinstance(tile, Hardware) else Hardware(tile)
    graph = torch_graph(module, digital=digital, weights=weights, fixed=fixed, batch_axes=batch_axes)
    return TiledNetwork(graph, hardware, mapping, scaling, fidelity, activations)


def torch_graph(
    module: nn.Module,
    *,
    digital: Collection[str] | str = (),
    weights: str | Path | Mapping[str, Any] | None = None,
    fixed: Mapping[str, Any] | None = None,
    batch_axes: Mapping[str, int | None] | None = None,
) -> Graph:
    """The graph that `from_torch` puts onto tiles; for `networks.network.Network` in real arithmetic, too."""
    if importlib.util.find_spec("torch") is None:
        raise CosimError("PyTorch is not installed; it is in the extra 'train': pip install 'cosim[train]'")
    from torch import nn

    from cosim.networks.torch_graph import graph_of_module

    if not isinstance(module, nn.Module):
        raise CosimError("not a PyTorch module", key="module", value=type(module).__name__, allowed="torch.nn.Module")
    if weights is not None:
        module = _with_weights(module, weights)
    return graph_of_module(module, digital=digital, fixed=fixed, batch_axes=batch_axes)


def _with_weights(module: nn.Module, weights: str | Path | Mapping[str, Any]) -> nn.Module:
    """A copy of the module with other weights."""
    import copy

    file = None if isinstance(weights, Mapping) else Path(weights)
    state = weights if isinstance(weights, Mapping) else read_state(Path(weights))
    own = copy.deepcopy(module)
    try:
        own.load_state_dict(dict(state))
    except (RuntimeError, TypeError) as error:
        reasons = "; ".join(line.strip() for line in str(error).splitlines()[1:]) or str(error)
        raise CosimError(f"these weights do not fit the module: {reasons}", file=file) from error
    return own


def read_state(file: Path) -> dict[str, Any]:
    """A state_dict from a file of safetensors, or of torch.save; nothing but tensors is read."""
    if not file.is_file():
        raise CosimError("no such file of weights", file=file)
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(file)
        import torch

        state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # of whichever reader, for whatever is in the file
        reason = str(error).strip().splitlines()
        raise CosimError(f"not a readable file of weights: {reason[0] if reason else error!r}", file=file) from error
    state = state.get("state_dict", state) if isinstance(state, dict) else state
    if not isinstance(state, dict):
        raise CosimError("not a state_dict", file=file, value=type(state).__name__)
    return state
