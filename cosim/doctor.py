"""`cosim doctor`: what this machine has, what it lacks, and the cure for each lack."""

import os
import platform
import sys
import tempfile
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import platformdirs

import cosim
from cosim.errors import CosimError
from cosim.spice import library, locate

# name: the folder that COSIM_DATA has to hold for it
DATA_FOLDERS = {
    "cifar10": "cifar-10-batches-bin",
    "har": "UCI HAR Dataset",
    "ptb": "simple-examples/data",
    "fsdd": "free-spoken-digit-dataset/recordings",
    "devices": "devices",
}
# name: what it is for
OPTIONAL_PARTS = {
    "torch": "training, and conversion of PyTorch networks",
    "librosa": "speech features",
    "dask": "studies over several machines",
    "optuna": "searches over design parameters",
}


def examine() -> dict[str, Any]:
    """Everything `cosim doctor` knows, ready for JSON.

    `ready` is true when the main job can run. `lacks` holds one entry a lack: what is missing, its
    cure (a command), and whether the main job needs it.
    """
    report: dict[str, Any] = {
        "python": {
            "version": platform.python_version(),
            "machine": f"{platform.system()} {platform.machine()}",
        },
        "cosim": {"version": cosim.__version__},
        "ngspice": _ngspice(),
        "cache": _cache(),
        "data": _data(),
        "optional": {
            name: {"version": _installed(name), "for": use, "cure": f"{_pip()} install {name}"}
            for name, use in OPTIONAL_PARTS.items()
        },
        "numba": _numba(),
    }
    report["lacks"] = _lacks(report)
    report["ready"] = not any(lack["needed"] for lack in report["lacks"])
    return report


def _ngspice() -> dict[str, Any]:
    nothing: dict[str, Any] = {
        "version": None,
        "klu": False,
        "library": None,
        "program": None,
        "spinit": False,
    }
    try:
        found = library.probe(fresh=True)
    except CosimError as error:
        return {**nothing, "solves": False, "error": str(error)}
    volts = None if found.library is None else library.solve_divider(found.library)
    return {
        "version": found.version,
        "version_text": found.version_text,
        "klu": found.klu,
        "library": found.library and str(found.library),
        "program": found.program and str(found.program),
        "program_version": found.program_version,
        "spinit": found.spinit,
        "solves": volts is not None and abs(volts - 0.75) < 1e-9,
    }


def _cache() -> dict[str, Any]:
    folder = library.cache_folder()
    return {"folder": str(folder), "writable": _writable(folder)}


def _writable(folder: Path) -> bool:
    """Whether files can be written there, tried for real: permission bits do not tell it all."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _data() -> dict[str, Any]:
    chosen = os.environ.get("COSIM_DATA")
    folder = Path(chosen).expanduser() if chosen else None
    return {
        "folder": chosen,
        "folder_exists": folder is not None and folder.is_dir(),
        "sets": {
            "digits": _installed("scikit-learn", "sklearn") is not None,
            **{name: folder is not None and (folder / place).is_dir() for name, place in DATA_FOLDERS.items()},
        },
    }


def _installed(package: str, module: str | None = None) -> str | None:
    """The version of an installed package, without importing it; None where it is not there."""
    if find_spec(module or package) is None:
        return None
    try:
        return installed_version(package)
    except PackageNotFoundError:
        return "unknown"


def _pip() -> str:
    """pip of the Python that runs now, as one would type it."""
    local = Path(sys.prefix, "bin", "pip")
    return os.path.relpath(local) if local.is_file() and local.is_relative_to(Path.cwd()) else "pip"


def _numba() -> dict[str, Any]:
    # numba keeps what it compiles in __pycache__ beside the source, and where it may not write
    # there in a cache folder of its own; NUMBA_CACHE_DIR overrides both.
    beside = Path(__file__).parent
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    own = platformdirs.user_cache_path("numba")
    folder = Path(chosen) if chosen else beside if os.access(beside, os.W_OK) else own
    threads = os.environ.get("NUMBA_NUM_THREADS")
    return {
        "version": _installed("numba"),
        "cache": str(folder),
        "cache_writable": _writable(folder),
        "threads": int(threads) if threads and threads.isdigit() else _cores(),
    }


def _cores() -> int:
    """The cores this process may use, which in a container are fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _lacks(report: dict[str, Any]) -> list[dict[str, Any]]:
    lacks = []

    def lack(what: str, cure: str, needed: bool = False) -> None:
        lacks.append({"what": what, "cure": cure, "needed": needed})

    ngspice, cache, data = report["ngspice"], report["cache"], report["data"]
    if ngspice.get("error"):
        lack(ngspice["error"], library.cure(), needed=True)
    elif ngspice["library"] is None:
        lack("ngspice is there as a program only, the shared library is missing", library.cure(), needed=True)
    else:
        if not ngspice["solves"]:
            lack("ngspice loads but does not solve a resistor divider", library.cure(), needed=True)
        if ngspice["version"] < locate.OLDEST:
            lack(f"ngspice {ngspice['version']} is older than any version that was tried", library.cure())
        if not ngspice["klu"]:
            lack("ngspice solves without KLU: large arrays take some ten times longer", library.cure())
    if not cache["writable"]:
        lack(
            f"the cache folder {cache['folder']} cannot be written",
            "export COSIM_CACHE=/a/folder/of/yours",
            needed=True,
        )
    if not report["numba"]["cache_writable"]:
        lack(
            "numba cannot keep what it compiles, so each start takes longer",
            "export NUMBA_CACHE_DIR=/a/folder/of/yours",
        )
    if data["folder"] and not data["folder_exists"]:
        lack(
            f"COSIM_DATA names {data['folder']}, which is no folder",
            "export COSIM_DATA=/the/folder/with/your/data",
        )
    if not data["sets"]["digits"]:
        lack("scikit-learn is missing, and with it the digits", "make setup", needed=True)
    return lacks


def show(report: dict[str, Any]) -> None:
    """Print the report for people."""
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)  # a command that is cut in two cannot be copied
    marks = {True: ("ok", "green"), False: ("lacks", "bold red"), None: ("-", "dim")}
    for name, state, text in _rows(report):
        mark, style = marks[state]
        console.print(Text.assemble(f"{name:<11}", (f"{mark:<7}", style), text))
    for lack in report["lacks"]:
        console.print()
        console.print(Text(f"{'Needed' if lack['needed'] else 'Wanted'}: {lack['what']}"))
        console.print(Text(f"  cure: {lack['cure']}", "bold"))
    console.print()
    console.print("Ready for the main job: type `cosim demo`." if report["ready"] else "Not ready for the main job.")


def _rows(report: dict[str, Any]) -> list[tuple[str, bool | None, str]]:
    """(name, fine / lacking / optional and not there, text) a line."""
    ngspice, cache, data, numba = (report[part] for part in ("ngspice", "cache", "data", "numba"))
    rows: list[tuple[str, bool | None, str]] = [
        ("Python", True, f"{report['python']['version']} on {report['python']['machine']}"),
        ("cosim", True, report["cosim"]["version"]),
    ]
    if ngspice["version"] is None:
        rows.append(("ngspice", False, "not found"))
    else:
        solver = "solver KLU" if ngspice["klu"] else "solver Sparse 1.3, slower"
        rows += [
            ("ngspice", True, f"{ngspice['version_text']}, {solver}"),
            ("  library", ngspice["library"] is not None, ngspice["library"] or "not found"),
            (
                "  check",
                ngspice["solves"],
                "solves a resistor divider" if ngspice["solves"] else "no right answer",
            ),
            ("  program", True if ngspice["program"] else None, _program_text(ngspice)),
            (
                "  XSPICE",
                ngspice["spinit"] or None,
                "spinit found" if ngspice["spinit"] else "no spinit; not needed",
            ),
        ]
    rows.append(("cache", cache["writable"], cache["folder"]))
    rows.append(("data", data["folder_exists"] or None, data["folder"] or "COSIM_DATA is not set"))
    for name, there in data["sets"].items():
        place = DATA_FOLDERS.get(name)
        text = f"not here; looked for '{place}' in COSIM_DATA" if place else "not here; comes with scikit-learn"
        rows.append((f"  {name}", there or None, "found" if there else text))
    rows.append(
        (
            "numba",
            numba["cache_writable"],
            f"{numba['version']}, {numba['threads']} threads, {numba['cache']}",
        )
    )
    for name, part in report["optional"].items():
        text = part["version"] or f"not installed; for {part['for']}: {part['cure']}"
        rows.append((name, part["version"] is not None or None, text))
    return rows


def _program_text(ngspice: dict[str, Any]) -> str:
    if not ngspice["program"]:
        return "not on the PATH; not needed"
    return f"{ngspice['program']}, version {ngspice['program_version']}"
