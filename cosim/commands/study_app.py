"""The command line of `cosim study`: parse, call."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Accuracy studies: specified in a file, resumed, compared.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object, for machines.")]
Study = Annotated[Path, typer.Argument(help="Study file (TOML).")]
Results = Annotated[Path, typer.Argument(help="Folder of a study's results, or its file.")]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="Folder of the results; default: STUDY_results beside the file.")
]
Workers = Annotated[int | None, typer.Option(min=0, help="Points at once; 0: in this process; default: all cores.")]


@app.command()
def init(
    file: Annotated[Path, typer.Argument(help="File to write.")] = Path("study.toml"),
    force: Annotated[bool, typer.Option("--force", help="Write over a file that exists.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a commented study file to begin with."""
    from cosim.commands import study

    study.init(file, force, as_json)


@app.command()
def check(study: Study, as_json: AsJson = False) -> None:
    """Check a study file whole: every fault with its line, what is allowed, and the nearest valid key."""
    from cosim.commands import study as command

    command.check(study, as_json)


@app.command()
def plan(
    study: Study,
    output: Output = None,
    workers: Workers = None,
    no_trial: Annotated[bool, typer.Option("--no-trial", help="Run no trial; time is then not known.")] = False,
    as_json: AsJson = False,
) -> None:
    """Points, expected time and memory of a study."""
    from cosim.commands import study as command

    command.plan(study, output, workers, not no_trial, as_json)


@app.command()
def run(
    study: Study,
    output: Output = None,
    workers: Workers = None,
    scheduler: Annotated[
        str | None,
        typer.Option(help="Dask: tcp://HOST:PORT, slurm:FILE.toml, local:WORKERS; default: processes."),
    ] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Do failed points again.")] = False,
    with_report: Annotated[bool, typer.Option("--report/--no-report", help="Write the page of the results.")] = True,
    as_json: AsJson = False,
) -> None:
    """Run a study, or what is left of it; each finished point is kept at once."""
    from cosim.commands import study as command
    from cosim.commands import study_report

    request = command.Request(study, output, workers, scheduler, retry_failed, as_json)
    command.run(request, study_report.write if with_report else None)


@app.command()
def show(
    results: Results,
    everything: Annotated[bool, typer.Option("--all", help="All points, however many.")] = False,
    as_json: AsJson = False,
) -> None:
    """Results with their error bars; costs of a ladder, Sobol indices, the front of a search."""
    from cosim.commands import study as command

    command.show(results, everything, as_json)


@app.command()
def compare(
    results: Results,
    a: Annotated[str, typer.Argument(help="Settings of A: 'name=value, name=value', '#NUMBER', or a ladder's label.")],
    b: Annotated[str, typer.Argument(help="Settings of B.")],
    as_json: AsJson = False,
) -> None:
    """Difference of two settings on the same chips and test samples, with its interval."""
    from cosim.commands import study as command

    command.compare(results, a, b, as_json)


@app.command()
def export(
    results: Results,
    to: Annotated[list[str] | None, typer.Option("--to", help="netcdf, csv or parquet; default: all.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Folder; default: that of the results.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write the results as NetCDF, CSV and Parquet."""
    from cosim.commands import study as command

    command.export(results, to or [], output, as_json)


@app.command()
def report(
    results: Results,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Folder; default: that of the results.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write the page of a study: the answer, plots, errors of the models, warnings, how to do it again."""
    from cosim.commands import study_report as command

    command.report(results, output, as_json)
