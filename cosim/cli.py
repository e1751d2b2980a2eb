"""The command line: parse, call, print. Everything heavy is imported inside the commands."""

import json
import sys
from typing import Annotated

import typer

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


def main() -> None:
    """Run the command line.

    Exit codes: 0 done, 1 not ready or failed, 2 something the user can mend, 130 stopped with Ctrl-C.
    """
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
