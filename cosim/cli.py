"""The command line: parse, call, print. Everything heavy is imported inside the commands."""

import io
import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from cosim.commands.cost_app import app as cost
from cosim.commands.crosscheck_app import crosscheck
from cosim.commands.data_app import app as data
from cosim.commands.study_app import app as study
from cosim.errors import CosimError

app = typer.Typer(
    name="cosim",
    help="SPICE-calibrated accuracy studies of neural networks on memristor hardware.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object, for machines.")]


def _print_version(wanted: bool) -> None:
    if wanted:
        version()
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options that come before the command."""


@app.command()
def version() -> None:
    """Print the version of cosim."""
    import cosim

    print(f"cosim {cosim.__version__}")


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """What this machine has, what it lacks, and the cure for each lack."""
    from cosim import doctor

    report = doctor.examine()
    if as_json:
        print(json.dumps(report, indent=2))
    else:
        doctor.show(report)
    if not report["ready"]:
        raise typer.Exit(1)


@app.command()
def characterise(
    block: Annotated[str | None, typer.Argument(help="Block to characterise; --list names them.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Data set to write; default BLOCK.nc.")] = None,
    config: Annotated[Path | None, typer.Option("--config", help="TOML file with the block's settings.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="A setting of the block, e.g. --set 'c_fb=4 pF'; may be repeated."),
    ] = None,
    sweeps: Annotated[
        list[str] | None, typer.Option("--sweep", help="How much is swept, e.g. --sweep chips=64; may be repeated.")
    ] = None,
    over: Annotated[
        list[str] | None,
        typer.Option(
            "--over",
            help="A setting that becomes a dimension, e.g. --over corner=TT,SS; may be repeated.",
        ),
    ] = None,
    bits: Annotated[int | None, typer.Option(help="Short for --set bits=N.")] = None,
    function: Annotated[str | None, typer.Option(help="Short for --set function=NAME.")] = None,
    process: Annotated[
        str | None, typer.Option(help="Short for --set process=...: a shipped name, or the TOML file of a process kit.")
    ] = None,
    corner: Annotated[str | None, typer.Option(help="Short for --set corner=TT, FF, SS, FS or SF.")] = None,
    temperature: Annotated[float | None, typer.Option(help="Short for --set temperature=... [deg C].")] = None,
    seed: Annotated[int, typer.Option(help="Seed of all variations.")] = 1,
    workers: Annotated[int | None, typer.Option(min=1, help="ngspice processes; default: all cores.")] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(help="Dask: tcp://HOST:PORT, slurm:FILE.toml, local:WORKERS; default: processes."),
    ] = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="Limit for one simulation, retries included [s].")] = 600.0,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Simulate again what is in the cache.")] = False,
    plots: Annotated[Path | None, typer.Option(help="Folder for plots (SVG) of the data set.")] = None,
    decks: Annotated[Path | None, typer.Option(help="Folder for every simulated deck.")] = None,
    list_blocks: Annotated[
        bool, typer.Option("--list", help="List the blocks with their sweeps, figures and settings.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run a block's circuit in ngspice over its variations and conditions; write a data set (NetCDF)."""
    from cosim.commands import characterise as command
    from cosim.commands.common import lists, pairs

    if list_blocks:
        command.show_blocks(as_json)
        return
    short = {"bits": bits, "function": function, "process": process, "corner": corner, "temperature": temperature}
    request = command.Request(
        block,
        output,
        config,
        settings={**dict(pairs(settings, "--set")), **{name: each for name, each in short.items() if each is not None}},
        sweeps=dict(pairs(sweeps, "--sweep")),
        over=lists(over, "--over"),
        seed=seed,
        workers=workers,
        scheduler=scheduler,
        timeout=timeout,
        use_cache=not no_cache,
        plots=plots,
        decks=decks,
        as_json=as_json,
    )
    command.characterise(request)


@app.command()
def lab(
    file: Annotated[Path, typer.Argument(help="TOML file that names columns and units of the measured tables.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Data set to write; default: FILE.nc.")] = None,
    plots: Annotated[Path | None, typer.Option(help="Folder for plots (SVG) of the data set.")] = None,
    as_json: AsJson = False,
) -> None:
    """Turn measured tables (CSV) into the data set that ngspice would have given; see docs/lab_data.md."""
    from cosim.commands import lab as command
    from cosim.commands.common import beside

    command.lab(file, output or beside(file, ".nc"), plots, as_json)


@app.command()
def fit(
    datasets: Annotated[list[Path], typer.Argument(help="Data set of `cosim characterise`; some blocks take several.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Model to write; default: DATASET.json.")
    ] = None,
    at: Annotated[
        list[str] | None,
        typer.Option("--at", help="Condition of a data set made --over several, e.g. --at corner=TT; may be repeated."),
    ] = None,
    form: Annotated[
        list[str] | None, typer.Option(help="Form of the model; with --compare, one of those compared (repeat it).")
    ] = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Set the candidate forms side by side: AIC, BIC, held-out error.")
    ] = False,
    plot: Annotated[Path | None, typer.Option(help="Plot of the residuals (SVG); default: beside the model.")] = None,
    allow_failed: Annotated[bool, typer.Option("--allow-failed", help="Fit although some points failed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Fit a block's behavioural model to a data set; the model carries its error on points it did not see."""
    from cosim.commands import models
    from cosim.commands.common import beside, pairs

    conditions = dict(pairs(at, "--at"))
    if compare:
        for key, path in (("--output", output), ("--plot", plot)):
            if path is not None:
                raise CosimError("--compare writes nothing; fit one --form for a model", key=key, value=str(path))
        models.compare(datasets, conditions, form or [], allow_failed, as_json)
        return
    if form and len(form) > 1:
        raise CosimError("a model has one form; --compare sets several side by side", key="--form", value=form)
    one = form[0] if form else None
    models.fit(datasets, output or beside(datasets[0], ".json"), conditions, one, allow_failed, plot, as_json)


@app.command()
def model(
    file: Annotated[Path, typer.Argument(help="Model file of `cosim fit`, or the name of a shipped model.")],
    accept: Annotated[bool, typer.Option("--accept", help="Load it although its error exceeds its limit.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check a model file and show what it holds: parameters with intervals, error, domain, origin."""
    from cosim.blocks.recipes import model_path
    from cosim.commands import models

    models.show_model(model_path(file), accept, as_json)


@app.command()
def regenerate(
    names: Annotated[list[str] | None, typer.Argument(help="Models to make again; default: all recipes.")] = None,
    recipes: Annotated[
        Path | None, typer.Option(help="TOML file of recipes; default: those of the shipped models.")
    ] = None,
    models: Annotated[
        Path | None, typer.Option(help="Folder of the models to compare with; default: the shipped ones.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for the models; default: models/.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder for the data sets and residual plots; default: none.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write no model; exit code 1 if one changed beyond its error.")
    ] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="ngspice processes; default: all cores.")] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Simulate again what is in the cache.")] = False,
    list_recipes: Annotated[bool, typer.Option("--list", help="List the recipes.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make every shipped model again from SPICE, and say what changed beyond its error."""
    from cosim.commands import regenerate as command

    if list_recipes:
        command.show_recipes(names or [], recipes, as_json)
        return
    unchanged = command.regenerate(names or [], recipes, models, output, data, check, workers, not no_cache, as_json)
    if check and not unchanged:
        raise typer.Exit(1)


@app.command()
def export(
    model: Annotated[Path, typer.Argument(help="Model file of `cosim fit`, or the name of a shipped model.")],
    to: Annotated[str, typer.Option("--to", help="spice, systemverilog or verilog_a; not every block offers all.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write; default: MODEL.cir, .sv or .va.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="An option of the export, e.g. --set chip=seed:3; may be repeated."),
    ] = None,
    accept: Annotated[bool, typer.Option("--accept", help="Load it although its error exceeds its limit.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a fitted model as a SPICE subcircuit, a SystemVerilog or a Verilog-A module; see docs/export.md."""
    from cosim.commands import export as command
    from cosim.commands.common import pairs

    command.export(model, to, output, dict(pairs(settings, "--set")), accept, as_json)


@app.command()
def train(
    network: Annotated[
        str,
        typer.Argument(help="digits_lstm, or a float reference: har_lstm, fsdd_lstm, ptb_char_lstm, cifar10_resnet32."),
    ],
    form: Annotated[
        str | None, typer.Option(help="Of digits_lstm: float, qat (quantisation-aware) or both (default).")
    ] = None,
    bits: Annotated[int | None, typer.Option(help="Of digits_lstm: bits of converters and weights; default 5.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of weights, order and noise.")] = 1,
    epochs: Annotated[int | None, typer.Option(help="Epochs of each form; default: the recipe's.")] = None,
    w_max: Annotated[
        float | None, typer.Option(help="Of digits_lstm: largest weight, which the conductance window holds.")
    ] = None,
    weight_noise: Annotated[
        float | None, typer.Option(help="Of digits_lstm: sigma of the weight noise in training, relative to w_max.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="Of a float reference: cpu or cuda; default: cuda where there is one.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(help="Of a float reference: limit of the training; the epochs are fitted to it.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Of a float reference: a number of the recipe, e.g. --set width=0.5; repeatable."),
    ] = None,
    fast: Annotated[
        bool, typer.Option("--fast", help="Of a float reference: algorithms that may not repeat to the last bit.")
    ] = False,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the weights.")] = Path("."),
    as_json: AsJson = False,
) -> None:
    """Train a network's weights on its data set (needs PyTorch: extra `train`)."""
    from cosim.commands import train as command
    from cosim.commands.common import pairs

    own = {"form": form, "bits": bits, "w_max": w_max, "weight_noise": weight_noise}
    reference = {"device": device, "minutes": minutes, "settings": dict(pairs(settings, "--set")), "fast": fast}
    command.train(network, seed, epochs, output, own, reference, as_json)


app.add_typer(study, name="study")
app.command()(crosscheck)
app.add_typer(cost, name="cost")
app.add_typer(data, name="data")


@app.command()
def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write into.")] = Path("demo_output"),
    spice_chips: Annotated[int, typer.Option(min=4, help="Chips of the ADC's Monte Carlo in ngspice.")] = 32,
    chips: Annotated[int, typer.Option(min=2, help="Chips of the accuracy study.")] = 20,
    images: Annotated[int, typer.Option(min=1, max=599, help="Images that go through ngspice whole.")] = 1,
    seed: Annotated[int, typer.Option(help="Seed of everything that is drawn.")] = 1,
    workers: Annotated[int | None, typer.Option(min=1, help="ngspice processes; default: all cores.")] = None,
    as_json: AsJson = False,
) -> None:
    """The main job: characterise in ngspice, fit, run an LSTM on real data, put SPICE in the loop, report."""
    from cosim.commands import demo as command

    command.demo(output, spice_chips, chips, images, seed, workers, as_json)


def main() -> None:
    """Run the command line.

    Exit codes: 0 done, 1 not ready or failed, 2 something the user can mend, 130 stopped with Ctrl-C.
    """
    for stream in (sys.stdout, sys.stderr):  # a terminal or log without Unicode gets what it has signs for
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except CosimError as error:
        print(f"error: {error}", file=sys.stderr)
        if "--json" in sys.argv[1:]:
            print(json.dumps({"error": error.as_dict()}, default=str))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
