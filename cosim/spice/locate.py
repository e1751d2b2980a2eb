"""Where a libngspice lies, and what it can do. Standard library only.

`tools/get_ngspice.py` reads this file before the package's dependencies are there, and
`cosim.spice.library` runs it as a script in a process of its own:

    python locate.py LIBRARY        prints one JSON object, see `examine`

A process of its own because ngspice may crash on a broken set-up, and because its state is
global: looking at it must leave nothing behind in the caller.
"""

import ctypes
import ctypes.util
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

WANTED = 42  # the first version that solves with KLU: some ten times faster on large arrays
OLDEST = 39  # the oldest version that was tried

_NAMES = ("libngspice.so.0", "libngspice.so", "libngspice.0.dylib", "libngspice.dylib")


def unpacked_folder(prefix: str | Path = sys.prefix) -> Path:
    """Where set-up unpacks a distribution's package, inside the virtual environment."""
    return Path(prefix) / "ngspice"


def unpacked_libraries(prefix: str | Path = sys.prefix) -> list[Path]:
    return sorted(unpacked_folder(prefix).glob("usr/lib/*/libngspice.so.0"))


def candidates(prefix: str | Path = sys.prefix) -> Iterator[Path]:
    """Every libngspice in sight, best claim first; the environment variable is the caller's affair."""
    seen = set()
    for path in _all_places(prefix):
        real = path.resolve()
        if real not in seen and real.is_file():
            seen.add(real)
            yield path


def _all_places(prefix: str | Path) -> Iterator[Path]:
    yield from unpacked_libraries(prefix)
    conda = os.environ.get("CONDA_PREFIX")
    homebrew = os.environ.get("HOMEBREW_PREFIX")
    roots = [prefix, sys.base_prefix, conda, homebrew]
    if sys.platform == "darwin":
        roots += ["/opt/homebrew", "/usr/local"]
    for root in roots:
        if root:
            yield from (Path(root) / "lib" / name for name in _NAMES)
    yield from _system_libraries()


def _system_libraries() -> Iterator[Path]:
    if sys.platform.startswith("linux"):
        for ldconfig in ("ldconfig", "/sbin/ldconfig", "/usr/sbin/ldconfig"):
            try:
                listing = subprocess.run([ldconfig, "-p"], capture_output=True, text=True, check=False).stdout
            except OSError:
                continue
            yield from (Path(found) for found in re.findall(r"libngspice\.so\S* .*=> (\S+)", listing))
            return
    found = ctypes.util.find_library("ngspice")
    if found and os.path.isabs(found):
        yield Path(found)


def load_companions(library: str | Path) -> list[ctypes.CDLL]:
    """Load the libraries that set-up unpacked beside `library` (libgomp on a bare machine).

    The loader does not look in that folder by itself, but it takes a library that is loaded
    already. To be called before `library` is loaded; does nothing where there are none.
    """
    folder = Path(library).resolve().parent
    if not any(parent.name == "ngspice" for parent in folder.parents):
        return []  # not ours: a system's folder is full of libraries that are nobody's companions
    names = ("libgcc_s.so.1", "libstdc++.so.6", "libgomp.so.1")
    return [ctypes.CDLL(str(folder / name), mode=ctypes.RTLD_GLOBAL) for name in names if (folder / name).is_file()]


def report(library: str | Path, timeout: float = 60.0) -> dict[str, Any]:
    """What `examine` finds, from a process of its own; `{"error": text}` where it cannot be used.

    timeout: seconds
    """
    with tempfile.TemporaryDirectory(prefix="cosim-") as empty:
        # ngspice reads .spiceinit from the working folder and from home: both are empty here.
        environment = {**os.environ, "HOME": empty, "LC_ALL": "C", "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-I", str(Path(__file__).resolve()), str(Path(library).resolve())]
        try:
            done = subprocess.run(
                command,
                cwd=empty,
                env=environment,
                capture_output=True,
                text=True,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return {"error": f"gave no answer within {timeout:g} s"}
    answer = done.stdout.strip().splitlines()
    if done.returncode or not answer:
        reason = done.stderr.strip().splitlines()
        return {"error": reason[-1] if reason else f"ended with code {done.returncode}"}
    found: dict[str, Any] = json.loads(answer[-1])
    return found


def examine(library: str) -> dict[str, Any]:
    """Start ngspice in this process and solve a divider: 1 V over 1 kΩ and 3 kΩ, 0.75 V expected.

    Returns version (int), version_text, klu, spinit, divider [V] (None if nothing was solved), log.
    """
    load_companions(library)
    spice = ctypes.CDLL(library)
    log: list[str] = []
    on_text = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_void_p)
    on_exit = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_bool, ctypes.c_bool, ctypes.c_int, ctypes.c_void_p)

    def note(text: bytes, _instance: int, _user: int | None) -> int:
        log.append(text.decode(errors="replace"))
        return 0

    def leave(_status: int, _unload: bool, _quit: bool, _instance: int, _user: int | None) -> int:
        return 0

    keep = on_text(note), on_exit(leave)  # ngspice holds the pointers, Python must hold the objects
    spice.ngSpice_Init(keep[0], None, keep[1], None, None, None, None)
    spinit = not any("find" in line and "spinit" in line for line in log)
    lines = [b"divider", b"v1 in 0 dc 1", b"r1 in mid 1k", b"r2 mid 0 3k", b".options klu", b".op", b".end"]
    spice.ngSpice_Circ((ctypes.c_char_p * (len(lines) + 1))(*lines, None))
    spice.ngSpice_Command(b"run")
    text = "\n".join(log)
    version = re.search(r"ngspice-(\d+)(\S*)", text)
    return {
        "version": int(version[1]) if version else 0,
        "version_text": version[1] + version[2] if version else "unknown",
        "klu": "Using KLU" in text,
        "spinit": spinit,
        "divider": _first_value(spice, b"mid"),
        "log": log,
    }


def _first_value(spice: ctypes.CDLL, name: bytes) -> float | None:
    class Vector(ctypes.Structure):
        _fields_ = (
            ("name", ctypes.c_char_p),
            ("kind", ctypes.c_int),
            ("flags", ctypes.c_short),
            ("real", ctypes.POINTER(ctypes.c_double)),
            ("complex", ctypes.c_void_p),
            ("length", ctypes.c_int),
        )

    spice.ngGet_Vec_Info.restype = ctypes.POINTER(Vector)
    spice.ngGet_Vec_Info.argtypes = [ctypes.c_char_p]
    vector = spice.ngGet_Vec_Info(name)
    return float(vector.contents.real[0]) if vector and vector.contents.length else None


if __name__ == "__main__":
    print(json.dumps(examine(sys.argv[1])))
