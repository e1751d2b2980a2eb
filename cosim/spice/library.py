"""Which ngspice this machine has, and what it can do.

Order of the search: the environment variable NGSPICE_LIBRARY_PATH, the copy that set-up unpacked
into the virtual environment, conda and Homebrew, the system.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from cosim.errors import CosimError
from cosim.spice import locate

WAYS = {
    "source": "make ngspice",
    "darwin": "brew install libngspice",
    "linux": "apt install libngspice0",
    "other": "conda install -c conda-forge ngspice-lib",
}


def cure() -> str:
    """The command that brings a good ngspice to this machine."""
    if os.environ.get("NGSPICE_LIBRARY_PATH"):
        return "unset NGSPICE_LIBRARY_PATH"
    if (Path(__file__).parents[2] / "tools" / "get_ngspice.py").is_file():
        return WAYS["source"]
    if sys.platform.startswith("linux") and not shutil.which("apt"):
        return WAYS["other"]
    return WAYS.get(sys.platform, WAYS["other"])


@dataclass(frozen=True)
class Simulator:
    """An ngspice as it was found: what can change an answer, and where it lies."""

    version: int
    version_text: str
    klu: bool  # solves with KLU when `.options klu` asks for it
    library: Path | None
    program: Path | None
    program_version: int | None  # need not be the library's
    spinit: bool  # the start-up file that loads the XSPICE code models was found
    identity: str  # first 16 hex digits of the sha256 of the library (or of the program)

    @property
    def solver(self) -> str:
        return "KLU" if self.klu else "Sparse 1.3"

    @property
    def deck_identity(self) -> str:
        """What of the simulator names an answer, beside the solver that stands in the deck's text; see `Deck.key`."""
        return f"ngspice {self.version_text}"

    def describe(self) -> str:
        """One line for people: 'ngspice 46, solver KLU, /…/libngspice.so.0'."""
        return f"ngspice {self.version_text}, solver {self.solver}, {self.library or self.program}"


def cache_folder() -> Path:
    """Where results and downloads are kept between runs: COSIM_CACHE, else the user's cache folder."""
    chosen = os.environ.get("COSIM_CACHE")
    return Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("cosim")


def find_library() -> Path | None:
    """The libngspice to use, or None; a wrong NGSPICE_LIBRARY_PATH is an error, never passed over."""
    chosen = os.environ.get("NGSPICE_LIBRARY_PATH")
    if chosen:
        path = Path(chosen).expanduser().absolute()  # workers have a working folder of their own
        if not path.is_file():
            raise CosimError(
                "there is no such file; correct the variable, or unset it",
                key="NGSPICE_LIBRARY_PATH",
                value=chosen,
            )
        return path
    return next(locate.candidates(), None)


def find_program() -> Path | None:
    """The `ngspice` program on the PATH, or None. It is optional: the library does all there is to do."""
    found = shutil.which("ngspice")
    return Path(found) if found else None


def probe(*, fresh: bool = False) -> Simulator:
    """Find ngspice and look at what it can do.

    Looking starts ngspice in a process of its own (some 0.1 s); the answer is kept in the cache
    folder for as long as the files stay the same, so a later call costs about a millisecond.

    fresh: look again, whatever is kept
    """
    library, program = find_library(), find_program()
    if library is None and program is None:
        raise CosimError(f"no ngspice was found on this machine; type: {cure()}")
    key = f"1|{_fingerprint(library)}|{_fingerprint(program)}|{os.environ.get('SPICE_SCRIPTS', '')}"
    kept = None if fresh else _read_kept(key)
    found = kept or _look(library, program)
    if not kept:
        _keep(key, found)
    return Simulator(library=library, program=program, **found)


def solve_divider(library: Path) -> float | None:
    """The end-to-end check: 1 V over 1 kΩ and 3 kΩ through `library`; returns the volts at the middle."""
    value: float | None = locate.report(library).get("divider")
    return value


def _look(library: Path | None, program: Path | None) -> dict[str, Any]:
    program_version, program_klu = (None, False) if program is None else _look_at_program(program)
    if library is None:
        if program_version is None:
            raise CosimError(f"{program} does not start, and there is no libngspice; type: {cure()}")
        return {
            "version": program_version,
            "version_text": str(program_version),
            "klu": program_klu,
            "program_version": program_version,
            "spinit": True,
            "identity": _sha256(program),
        }
    found = locate.report(library)
    if "error" in found:
        raise CosimError(f"this libngspice cannot be used ({found['error']}); type: {cure()}", file=library)
    return {
        "version": found["version"],
        "version_text": found["version_text"],
        "klu": found["klu"],
        "program_version": program_version,
        "spinit": found["spinit"],
        "identity": _sha256(library),
    }


def _look_at_program(program: Path) -> tuple[int | None, bool]:
    """(version, KLU) of the program; (None, False) where it does not start."""
    with tempfile.TemporaryDirectory(prefix="cosim-") as folder:
        deck = Path(folder, "divider.cir")
        deck.write_text("divider\nv1 in 0 dc 1\nr1 in mid 1k\nr2 mid 0 3k\n.options klu\n.op\n.end\n")
        texts = []
        for arguments in (["--version"], ["-n", "-b", str(deck)]):
            try:
                done = subprocess.run(
                    [str(program), *arguments],
                    cwd=folder,
                    capture_output=True,
                    text=True,
                    timeout=60,
                    check=False,
                )
            except (OSError, subprocess.TimeoutExpired):
                return None, False
            texts.append(done.stdout + done.stderr)
    version = re.search(r"ngspice-(\d+)", texts[0])
    return (int(version[1]) if version else None), "Using KLU" in texts[1]


def _fingerprint(path: Path | None) -> str:
    if path is None:
        return "none"
    status = path.stat()
    return f"{path}|{status.st_mtime_ns}|{status.st_size}"


def _sha256(path: Path | None) -> str:
    assert path is not None
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _kept_file() -> Path:
    return cache_folder() / "ngspice.json"


def _read_kept(key: str) -> dict[str, Any] | None:
    try:
        kept = json.loads(_kept_file().read_text())
        return kept["found"] if kept["key"] == key else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _keep(key: str, found: dict[str, Any]) -> None:
    path = _kept_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        draft.write_text(json.dumps({"key": key, "found": found}, indent=1))
        draft.replace(path)  # several processes may write at once; each reader sees a whole file
    except OSError:
        pass  # it only costs the next call 0.1 s; `cosim doctor` tells about the folder
