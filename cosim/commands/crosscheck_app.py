"""The command line of `cosim crosscheck`: parse, call."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object, for machines.")]


def crosscheck(
    network: Annotated[str, typer.Argument(help="Shipped network, e.g. fsdd_lstm, or a file of weights.")],
    layer: Annotated[str, typer.Option(help="Layer, matrix or part, e.g. lstm, lstm.l0.i, lstm.l0.i.r0c0.")],
    vectors: Annotated[int, typer.Option(min=1, help="Real activations of each matrix that go through ngspice.")] = 16,
    chips: Annotated[int, typer.Option(min=1, help="Chips that the vectors are dealt to.")] = 2,
    seed: Annotated[int, typer.Option(help="Seed of everything that is drawn.")] = 1,
    examples: Annotated[
        int | None, typer.Option(min=1, help="Examples of the test part (of a text: symbols); default: all.")
    ] = None,
    accuracy_chips: Annotated[int, typer.Option(min=1, help="Chips that the accuracy is measured on.")] = 10,
    threshold_lines: Annotated[
        int, typer.Option(min=0, help="Bit lines of each part and chip whose thresholds are searched in ngspice.")
    ] = 1,
    whole: Annotated[int, typer.Option(min=0, help="Whole examples with the layer in ngspice.")] = 0,
    bits: Annotated[int, typer.Option(help="Bits of the ramp ADC.")] = 5,
    dac_bits: Annotated[int, typer.Option(help="Bits of the inputs' pulses, sign included.")] = 5,
    weight_bits: Annotated[int, typer.Option(help="Bits of a weight, sign included.")] = 5,
    tile: Annotated[str, typer.Option(help="Largest tile, INPUTSxOUTPUTS.")] = "128x128",
    wires: Annotated[str, typer.Option(help="Of linear arrays: reduced to their ports, or simulated.")] = "reduced",
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="Another setting of the tile, e.g. --set compensated=true --set adc.pulse_widths=graded."
        ),
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="ngspice processes; default: all cores.")] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Simulate again what is in the cache.")] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Report to write (JSON).")] = None,
    error: Annotated[Path | None, typer.Option(help="Model-form error to write (JSON).")] = None,
    decks: Annotated[Path | None, typer.Option(help="Folder to write every deck into.")] = None,
    as_json: AsJson = False,
) -> None:
    """A layer's real activations in ngspice and in the models: codes, residuals, and what they cost in accuracy."""
    from cosim.commands import crosscheck as command
    from cosim.commands.common import pairs

    command.crosscheck(
        command.Request(
            network,
            layer,
            vectors,
            chips,
            seed,
            examples,
            accuracy_chips,
            threshold_lines,
            whole,
            bits,
            dac_bits,
            weight_bits,
            tile,
            wires,
            dict(pairs(settings, "--set")),
            workers,
            not no_cache,
            output,
            error,
            decks,
            as_json,
        )
    )
