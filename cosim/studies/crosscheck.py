"""SPICE against the models on a layer's real activations, and what the models' error is worth in accuracy.

A network with the bits of its converters and cells, and nothing else, works through examples of the test part; vectors
that went into the layer's matrices, drawn at random, go through ngspice and through the fitted models on the same chips
(no noise is drawn for them, so the same decks come again whatever becomes of the models). What ngspice has more is
the model-form error; the network runs with it injected and without on the same chips, reads and examples, and the
difference of its scores is the layer's contribution to the difference between SPICE and model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.errors import CosimError
from cosim.networks.tiled import TiledNetwork
from cosim.progress import progress
from cosim.spice import SimulatorPool
from cosim.studies.accuracy import over_chips
from cosim.studies.layer_check import LayerCheck, check_dealt, check_matrices, names_of_layer
from cosim.studies.model_form import model_error_of
from cosim.studies.same_chip import program_alike
from cosim.studies.scores import Estimate, Scores
from cosim.studies.tasks import Task
from cosim.tiles.hardware import REST
from cosim.tiles.model_error import ModelFormError
from cosim.tiles.protocol import Fidelity

CHIPS = "crosscheck: chips of the accuracy"  # what they are drawn for

Fidelities = Mapping[str, Fidelity | str]


@dataclass(frozen=True)
class Contribution:
    """What a model-form error does to a network.

    Attributes
    ----------
    without, injected: scores of the same chips, reads and examples.
    """

    without: Scores
    injected: Scores

    @property
    def difference(self) -> Estimate:
        """Score with the error less that without, paired."""
        return self.injected.minus(self.without)


@dataclass(frozen=True)
class WholeExamples:
    """Examples that went through the network with the layer in ngspice, and with all of it in the models on that chip.

    Attributes
    ----------
    spice, model: outputs (examples, ...).
    scores_spice, scores_model: (examples,).
    """

    spice: NDArray[Any]
    model: NDArray[Any]
    scores_spice: NDArray[np.float64]
    scores_model: NDArray[np.float64]


def parts_of(network: TiledNetwork, layer: str) -> dict[str, list[str]]:
    """Matrix -> parts that the name of a layer, matrix or part stands for; CosimError for one that is not there."""
    return names_of_layer(layer, {name: [each.name for each in layout] for name, layout in network.layouts.items()})


def check_layer(
    network: TiledNetwork, layer: str, data: Any, pool: SimulatorPool, *, vectors: int, chips: int = 1, seed: int = 1,
    threshold_lines: int = 2, label: str | None = None,
) -> LayerCheck:  # fmt: skip
    """Compare a layer of a calibrated network at vectors that go into it while it works, quantised, through `data`.

    Parameters
    ----------
    vectors: of each matrix, drawn by `seed`, dealt to the chips.

    Others as of `check_matrices`. Raises CosimError for a name that is not there, as `TiledNetwork.sample` does, and
    when a simulation fails.
    """
    parts = parts_of(network, layer)
    check_dealt(vectors, chips)
    plain = network.variant(fidelity=Fidelity.QUANTISED)
    plain.program(np.random.default_rng(0))  # nothing is drawn
    inputs = plain.sample([*parts], data, vectors, seed, label=label and f"{label}: activations")
    # Behavioural tiles have the headroom that their compensation needs; quantised ones need none.
    tiles = network.variant(fidelity={**dict.fromkeys(parts, Fidelity.BEHAVIOURAL), REST: Fidelity.QUANTISED}).matrices
    return check_matrices(
        {name: tiles[name] for name in parts}, inputs, pool, layer=layer, parts=parts, chips=chips, seed=seed,
        threshold_lines=threshold_lines, label=label and f"{label}: vectors in ngspice",
    )  # fmt: skip


def contribution(
    network: TiledNetwork, task: Task, error: ModelFormError | Mapping[str, ModelFormError], *, chips: int, seed: int,
    label: str | None = None,
) -> Contribution:  # fmt: skip
    """Scores of a calibrated network with and without a model-form error, at the behavioural fidelity.

    `error`: of all matrices, or matrix -> its own, as of `Hardware.model_error`. Chip n and its reads depend on the
    seed and n alone, so that everything but the error is the same.
    """
    found = []
    with progress(label, 2 * chips) as bar:
        for each in (None, error):
            some = network.variant(
                hardware=replace(network.hardware, model_error=each), fidelity=Fidelity.BEHAVIOURAL
            )  # fmt: skip
            found.append(over_chips(some, task, chips=chips, seed=seed, purpose=CHIPS, bar=bar))
    return Contribution(*found)


def layer_and_network(
    check: LayerCheck, network: TiledNetwork, task: Task, *, chips: int, seed: int, label: str | None = None
) -> tuple[ModelFormError, dict[str, Contribution]]:
    """The error that a check found, and what it does to the scores: "layer", injected there alone, and "network",
    injected into all matrices."""
    error = model_error_of(check.parts, seed, layer=check.layer, network=network.graph.name)
    alone = {matrix: error for matrix in parts_of(network, check.layer)}
    cases: dict[str, ModelFormError | dict[str, ModelFormError]] = {"layer": alone, "network": error}
    return error, {
        name: contribution(network, task, each, chips=chips, seed=seed, label=label and f"{label}: error in the {name}")
        for name, each in cases.items()
    }


def whole_examples(
    network: TiledNetwork, layer: str, task: Task, pool: SimulatorPool, *, examples: int, seed: int,
    label: str | None = None,
) -> WholeExamples:  # fmt: skip
    """The first examples with the layer in ngspice and the rest in the models, and with all of it in the models.

    Both have the same chip; what differs from read to read is left out on both sides, because a transient has none.
    Raises CosimError for a text, whose examples are streams of thousands of symbols.
    """
    if task.metric != "accuracy":
        raise CosimError("whole examples are those of a classifier; a text has none", key="whole", value=examples)
    quiet = replace(network.hardware, nonidealities=network.hardware.nonidealities.quiet(), model_error=None, pool=pool)
    fidelity: Fidelities = {layer: Fidelity.SPICE, REST: Fidelity.BEHAVIOURAL}
    simulated = network.variant(hardware=quiet, fidelity=fidelity)
    modelled = network.variant(hardware=quiet, fidelity=Fidelity.BEHAVIOURAL)
    program_alike(simulated, modelled, seed, "crosscheck: chip of whole examples")
    some = task.inputs[:examples]
    outputs = [
        each.forward(some, np.random.default_rng(0), label=named)
        for each, named in ((simulated, label and f"{label}: whole examples in ngspice"), (modelled, None))
    ]
    at = slice(0, examples)
    return WholeExamples(outputs[0], outputs[1], *(task.scores(each, at) for each in outputs))
