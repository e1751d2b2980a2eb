"""One ngspice shared library in this process, through PySpice, with PySpice 1.5's known faults cured.

The cures (each was seen with ngspice 39 and 46): success is judged from the vectors and not from what arrives on
stderr; each circuit is removed after its run, else memory grows by megabytes a run; vectors are copied straight
into float64 arrays, without PySpice's unit-carrying waveforms; a library that asks to be unloaded is reported as
poisoned, because every later run in this process would fail.

Only one session can exist in a process (the library's state is global), and it must never be used from threads.
"""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# PySpice's unit tables are built with a PLY parser whose version notice is of no use to anybody.
logging.getLogger("PySpice").setLevel(logging.CRITICAL)

from PySpice.Spice.NgSpice.Shared import FFI, NgSpiceShared, ffi, ffi_string_utf8  # noqa: E402

from cosim.spice.deck import NOISE, Deck, Result, of_one_length, real_signals, sampled  # noqa: E402
from cosim.spice.locate import load_companions  # noqa: E402
from cosim.spice.log import classify  # noqa: E402

FLAG_COMPLEX = 1 << 1  # VF_COMPLEX of ngspice's sim.h


class Session(NgSpiceShared):
    """The process's ngspice. Use `open_session()`; a second instance in one process is an error of cffi."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._exit_requested = False
        super().__init__(ngspice_id=0, send_data=False)
        # Else ngspice reads /proc/meminfo at every time point, which took three quarters of a small transient's time.
        self.exec_command("set no_mem_check")

    @staticmethod
    def _send_char(message_c: Any, ngspice_id: int, user_data: Any) -> int:
        # ngspice sends progress, solver choice and gmin stepping to stderr: nothing is an error by arriving here.
        del ngspice_id
        self = ffi.from_handle(user_data)
        message = ffi_string_utf8(message_c)
        text = message if isinstance(message, str) else message.decode("latin-1")
        _, _, content = text.partition(" ")
        self._lines.append(content)
        self._stdout.append(content)
        return 0

    @staticmethod
    def _exit(status: int, immediate: bool, quit_exit: bool, ngspice_id: int, user_data: Any) -> int:
        del immediate, quit_exit, ngspice_id
        self = ffi.from_handle(user_data)
        self._exit_requested = True
        return status

    @property
    def poisoned(self) -> bool:
        """True once the library has asked to be unloaded; nothing it says afterwards can be used."""
        return self._exit_requested

    def run_deck(self, deck: Deck, *, klu: bool, key: str = "") -> Result:
        """Run a deck once, without retries."""
        self._lines = []
        started = time.perf_counter()
        signals: dict[str, NDArray[np.float64]] = {}
        try:
            self.load_circuit(deck.text(klu=klu))
            self.exec_command("run")
            signals = self._collect()
        except NameError as error:  # PySpice raises NameError for every failure
            self._lines.append(f"Error: {error}")
        finally:
            log = "\n".join(self._lines)
            self._release()
        elapsed = time.perf_counter() - started
        failure = classify(log, signals, deck.saves)
        return Result(key, {} if failure else sampled(signals, deck.sample_at), failure, log, elapsed)

    def _release(self) -> None:
        for command in ("destroy all", "remcirc"):
            with contextlib.suppress(NameError):
                self.exec_command(command)

    def _collect(self) -> dict[str, NDArray[np.float64]]:
        signals: dict[str, NDArray[np.float64]] = {}
        for plot in reversed(self._convert_string_array(self._ngspice_shared.ngSpice_AllPlots())):
            listed = FFI.NULL if plot == "const" else self._ngspice_shared.ngSpice_AllVecs(plot.encode())
            if listed != FFI.NULL:  # else an analysis that found nothing to save
                names = self._convert_string_array(listed)
                signals |= real_signals({signal_name(name): self._vector(f"{plot}.{name}") for name in names})
        return of_one_length(signals)

    def _vector(self, name: str) -> NDArray[np.float64] | NDArray[np.complex128]:
        info = self._ngspice_shared.ngGet_Vec_Info(name.encode())
        if info == FFI.NULL:
            return np.empty(0)
        length = info.v_length
        if info.v_flags & FLAG_COMPLEX:
            return np.frombuffer(ffi.buffer(info.v_compdata, length * 16), dtype=np.complex128).copy()
        return np.frombuffer(ffi.buffer(info.v_realdata, length * 8), dtype=np.float64).copy()


def signal_name(vector: str) -> str:
    """ngspice's vector name in SPICE's own spelling: `out` -> `v(out)`, `vdd#branch` -> `i(vdd)`."""
    name = vector.lower()
    if name.endswith("#branch"):
        return f"i({name.removesuffix('#branch')})"
    if name in {"time", "frequency"} or name.endswith("-sweep") or name.startswith(("@", *NOISE)) or "(" in name:
        return name
    return f"v({name})"


_session: Session | None = None


def open_session(library: Path) -> Session:
    """This process's session, made on the first call from the shared library at `library`."""
    global _session
    if _session is not None and str(library) != Session.LIBRARY_PATH:
        raise RuntimeError(f"this process already uses {Session.LIBRARY_PATH}; {library} needs a process of its own")
    if _session is None:
        load_companions(library)
        Session.LIBRARY_PATH = str(library)
        with _without_user_settings():
            _session = Session()
    return _session


@contextlib.contextmanager
def _without_user_settings() -> Iterator[None]:
    """ngspice reads `.spiceinit` from the working and the home folder when it starts: show it empty ones."""
    folder, home = Path.cwd(), os.environ.get("HOME")
    with tempfile.TemporaryDirectory(prefix="cosim-") as empty:
        os.environ["HOME"] = empty
        os.chdir(empty)
        try:
            yield
        finally:
            os.chdir(folder)
            if home is None:
                del os.environ["HOME"]
            else:
                os.environ["HOME"] = home
