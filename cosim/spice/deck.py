"""The contract with the simulator: a `Deck` goes in, a `Result` comes out.

A deck holds everything that can change the answer (circuit text, analyses, saved signals, tolerances), as plain
text, so that its sha256 names the answer and anybody can run the kept file with any ngspice.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from cosim.errors import CosimError
from cosim.spice.timestep import TranLine

NOISE = ("onoise", "inoise")
"""How the vectors of a `.noise` begin: spectra [V/sqrt(Hz)], and totals over the band [V], at output and input."""

DECK_FORMAT = "cosim.deck/1"

# `.lib` with one word only opens a section; with two it reads a file.
_OTHER_FILE = re.compile(r"^[ \t]*\.(inc|include)\b.*$|^[ \t]*\.lib[ \t]+\S+[ \t]+\S+.*$", re.IGNORECASE | re.MULTILINE)

_ANALYSES = {".op", ".dc", ".tran", ".ac", ".noise", ".tf", ".pz", ".sens", ".disto", ".pss", ".sp"}


@dataclass(frozen=True)
class Tolerances:
    """Numerical options written into every deck, so that no default of a simulator version matters.

    The defaults are tighter than ngspice's own (reltol 1e-3): thresholds are wanted to some 10 uV on signals of 1 V,
    and what ngspice gives out is off by up to reltol times the value. The error of a smooth transient is another: it
    follows from the largest time step h, which the `.tran` line sets, as h^2 / (12 tau^2) by the trapezoidal rule.
    """

    reltol: float = 1e-5
    abstol: float = 1e-13  # [A]
    vntol: float = 1e-8  # [V]
    chgtol: float = 1e-16  # [C]
    gmin: float = 1e-14  # [S], far below the leakage of the least conducting cell (0.1 uS)
    trtol: float = 7.0  # ngspice's default without XSPICE; with XSPICE it is silently 1
    method: str = "trap"  # or "gear"
    maxord: int = 2
    itl1: int = 300
    itl4: int = 60
    temperature: float = 27.0  # [deg C]

    def line(self) -> str:
        """The `.options` lines of the deck."""
        return (
            f".options reltol={self.reltol:g} abstol={self.abstol:g} vntol={self.vntol:g} chgtol={self.chgtol:g}"
            f" gmin={self.gmin:g} trtol={self.trtol:g}\n"
            f".options method={self.method} maxord={self.maxord} itl1={self.itl1} itl4={self.itl4}"
            f" temp={self.temperature:g} tnom=27"
        )


@dataclass(frozen=True)
class Deck:
    """A complete simulation: circuit, analyses and tolerances.

    Parameters
    ----------
    title: one line, for people.
    circuit: netlist text without title, `.options`, `.save` and analyses; models and subcircuits written out, no
        `.include`, so that the deck depends on no other file.
    analyses: dot lines, e.g. `(".tran 1n 1u",)`; one analysis, with its `.ic` and `.nodeset` if need be.
    saves: signals to keep, e.g. `("v(out)", "i(vdd)")`; nothing else is stored.
    tolerances: numerical options.
    sample_at: times [s] at which a transient's signals are kept (linear between the simulator's own points); empty
        keeps every point. Put them on edges of sources, where the simulator has a point of its own.
    """

    title: str
    circuit: str
    analyses: tuple[str, ...]
    saves: tuple[str, ...]
    tolerances: Tolerances = field(default_factory=Tolerances)
    sample_at: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if sum(line.split()[0].lower() in _ANALYSES for line in self.analyses if line.strip()) > 1:
            raise CosimError(
                "one analysis a deck: ngspice runs several in an order of its own", value=list(self.analyses)
            )
        other_file = _OTHER_FILE.search(self.circuit)
        if other_file:
            raise CosimError(
                "a deck must hold all its text: the stored result of one that reads another file would outlive a change"
                " of that file; write the file's text in place of this line",
                value=other_file[0].strip(),
            )

    def text(self, *, klu: bool) -> str:
        """The netlist as ngspice reads it; `klu` chooses the sparse solver (KLU, else Sparse 1.3)."""
        # Of a noise analysis ngspice makes two plots and refuses `.save` names that one of them lacks; both are small.
        kept = () if self.is_noise else self.saves
        saves = "\n".join(".save " + " ".join(kept[first : first + 16]) for first in range(0, len(kept), 16))
        # ngspice evaluates BSIM4 with two OpenMP threads unless told; on busy cores their spinning made the same run
        # 4 to 8 times slower. Processes are the parallelism here.
        # ngspice 46 refuses a noise analysis with KLU.
        klu = klu and not self.is_noise
        solver = f".options {'klu' if klu else 'sparse'} num_threads=1"
        lines = [
            "* " + " ".join(self.title.split()),
            self.circuit.strip("\n"),
            self.tolerances.line(),
            solver,
            saves,
            *self.analyses,
            ".end",
        ]
        return "\n".join(line for line in lines if line) + "\n"

    def key(self, simulator: str, *, klu: bool) -> str:
        """sha256 over the text and the simulator's identity (name, version): the name of the answer."""
        samples = " ".join(repr(time) for time in self.sample_at)
        content = "\n".join((DECK_FORMAT, simulator, samples, self.text(klu=klu)))
        return hashlib.sha256(content.encode()).hexdigest()

    def with_tolerances(self, **changes: object) -> Deck:
        """The same deck with some tolerances changed."""
        return replace(self, tolerances=replace(self.tolerances, **changes))  # type: ignore[arg-type]

    @property
    def is_noise(self) -> bool:
        """The deck's analysis is a `.noise`."""
        return any(line.split()[:1] and line.split()[0].lower() == ".noise" for line in self.analyses)

    @property
    def is_transient(self) -> bool:
        """The deck's analysis is a `.tran`."""
        return any(_is_tran(line) for line in self.analyses)

    def halved(self) -> Deck:
        """The same transient with all time steps halved: what moves under it is not yet the circuit's answer.

        The largest step is half of the `.tran` line's own, or of ngspice's min(tstep, (tstop - tstart) / 50) where it
        has none. `trtol` is an eighth: where the truncation error sets the step h, it bounds the error of one step,
        which goes with h^3 by the second-order rules. The error of the transient goes with h^2: a quarter. `tstep` is
        halved too; it is the rise time of a PULSE that states none, whose circuit so changes. `sample_at` stays.

        Raises CosimError when the deck has no `.tran`, or one whose times are not plain numbers.
        """
        if not self.is_transient:
            raise CosimError("a deck without .tran has no time steps to halve", value=list(self.analyses))
        analyses = tuple(TranLine.read(line).halved() if _is_tran(line) else line for line in self.analyses)
        tolerances = replace(self.tolerances, trtol=self.tolerances.trtol / 8)
        return replace(self, analyses=analyses, tolerances=tolerances)


def _is_tran(line: str) -> bool:
    return [word.lower() for word in line.split()[:1]] == [".tran"]


class FailureKind(StrEnum):
    """What went wrong in a simulation."""

    NO_CONVERGENCE = "no convergence"
    TIMEOUT = "timeout"
    CRASH = "crash"
    BAD_NETLIST = "bad netlist"
    MISSING_MODEL = "missing model"
    NOT_FINITE = "not finite"


@dataclass(frozen=True)
class Failure:
    """Why a simulation gave no usable answer: the kind, and the line of the log that says it."""

    kind: FailureKind
    line: str


@dataclass(frozen=True)
class Result:
    """What a deck gave.

    Attributes
    ----------
    key: sha256 of the deck (`Deck.key`).
    signals: name (`"time"`, `"v(out)"`, `"i(vdd)"`, lower case) -> array of shape (points,). Of complex values (`.ac`)
        `"v(out)"` is the real part, `"imag(v(out))"` the imaginary one.
    failure: None when every saved signal is there and finite.
    log: what the simulator printed.
    elapsed: wall time of the successful attempt [s].
    attempts: names of the rungs of the retry ladder that were tried, in order.
    deck_file: where deck and log of a failure are kept.
    """

    key: str
    signals: Mapping[str, NDArray[np.float64]]
    failure: Failure | None
    log: str
    elapsed: float
    attempts: tuple[str, ...] = ("as written",)
    deck_file: str | None = None

    @property
    def ok(self) -> bool:
        return self.failure is None

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        return self.signals[name.lower()]


def real_signals(signals: Mapping[str, NDArray[np.inexact]]) -> dict[str, NDArray[np.float64]]:
    """Complex signals as two real ones, `name` and `imag(name)`; the frequency of an `.ac` has no imaginary part."""
    parts: dict[str, NDArray[np.float64]] = {}
    for name, values in signals.items():
        parts[name] = np.ascontiguousarray(values.real, dtype=np.float64)
        if np.iscomplexobj(values) and name != "frequency":
            parts[f"imag({name})"] = np.ascontiguousarray(values.imag)
    return parts


def of_one_length(signals: Mapping[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    """Single values (the totals of a noise analysis) repeated to the length of the others."""
    longest = max((len(values) for values in signals.values()), default=0)
    return {name: np.full(longest, values[0]) if len(values) == 1 else values for name, values in signals.items()}


def sampled(signals: Mapping[str, NDArray[np.float64]], times: tuple[float, ...]) -> dict[str, NDArray[np.float64]]:
    """The signals at the given times [s], by straight lines between the simulator's points; all of them if empty."""
    if not times or "time" not in signals:
        return dict(signals)
    grid = np.asarray(times, dtype=np.float64)
    own = signals["time"]
    return {name: grid if name == "time" else np.interp(grid, own, values) for name, values in signals.items()}
