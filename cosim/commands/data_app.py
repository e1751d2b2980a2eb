"""The command line of `cosim data`: parse, call."""

from __future__ import annotations

from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object, for machines.")]

app = typer.Typer(help="Data sets: list, fetch, check.", no_args_is_help=True)


@app.command("list")
def list_data(as_json: AsJson = False) -> None:
    """The data sets, and where they are on this machine."""
    from cosim.commands import data as command

    command.show_list(as_json)


@app.command("fetch")
def fetch_data(
    names: Annotated[list[str], typer.Argument(help="Data sets; cosim data list names them.")], as_json: AsJson = False
) -> None:
    """Download data sets from their official addresses, where they are not on this machine."""
    from cosim.commands import data as command

    command.fetch(names, as_json)


@app.command("check")
def check_data(
    names: Annotated[list[str] | None, typer.Argument(help="Data sets; default: all that are here.")] = None,
    as_json: AsJson = False,
) -> None:
    """Read data sets whole and say whether they are what they should be; exit code 1 if one is not."""
    from cosim.commands import data as command

    if not command.check(names or [], as_json):
        raise typer.Exit(1)
