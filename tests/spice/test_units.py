"""The small parts of the engine, without a simulator: deck text, log, raw files, ladder."""

import numpy as np
import pytest
from numpy.typing import NDArray

from cosim.spice import Deck, Failure, FailureKind, Result, Tolerances
from cosim.spice.deck import real_signals, sampled
from cosim.spice.isolated import read_raw
from cosim.spice.ladder import RUNGS, climb
from cosim.spice.log import classify
from cosim.spice.session import signal_name
from cosim.spice.timestep import spice_number


def raw_file(table: NDArray[np.generic], names: list[str], flags: str, points: int | None = None) -> bytes:
    """A raw file as ngspice writes it: head in text, then the points one after another."""
    head = [
        "Title: * by hand", "Date: Thu Jan  1 00:00:00  1970", "Plotname: Transient Analysis", f"Flags: {flags}",
        f"No. Variables: {len(names)}", f"No. Points: {len(table) if points is None else points}", "Variables:",
        *(f"\t{number}\t{name}\tvoltage" for number, name in enumerate(names)), "Binary:",
    ]  # fmt: skip
    return "\n".join(head).encode() + b"\n" + np.ascontiguousarray(table).tobytes()


REAL = np.array([[0.0, 1.5, -2e-3], [1e-9, 1.25, 4e-3]])
NAMES = ["time", "v(Out)", "i(vdd)"]


def test_a_raw_file_of_real_values() -> None:
    signals = read_raw(raw_file(REAL, NAMES, "real"))
    assert list(signals) == ["time", "v(out)", "i(vdd)"]
    for number, values in enumerate(signals.values()):
        np.testing.assert_array_equal(values, REAL[:, number])


def test_a_raw_file_of_complex_values() -> None:
    table = np.array([[1e3, 0.5 - 0.25j], [1e6, -1e-3j]], dtype=np.complex128)
    signals = read_raw(raw_file(table, ["frequency", "v(out)"], "complex"))
    assert list(signals) == ["frequency", "v(out)", "imag(v(out))"]
    np.testing.assert_array_equal(signals["frequency"], [1e3, 1e6])
    np.testing.assert_array_equal(signals["v(out)"], [0.5, 0.0])
    np.testing.assert_array_equal(signals["imag(v(out))"], [-0.25, -1e-3])


def test_the_programs_names_become_the_librarys() -> None:
    names = ["v(v-sweep)", "v(x1.inner)", "i(@d1[id])", "i(v1)"]
    assert list(read_raw(raw_file(np.zeros((1, 4)), names, "real"))) == ["v-sweep", "v(x1.inner)", "@d1[id]", "i(v1)"]


def test_the_last_of_several_plots_is_read() -> None:
    content = raw_file(REAL[:1], NAMES, "real") + raw_file(2 * REAL, NAMES, "real")
    np.testing.assert_array_equal(read_raw(content)["v(out)"], 2 * REAL[:, 1])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        raw_file(REAL, NAMES, "real")[:-8],  # the program ended while it wrote
        raw_file(REAL, NAMES, "real", points=3),
        raw_file(REAL, NAMES, "real").split(b"Binary:")[0],
        raw_file(np.empty((0, 0)), [], "real"),
    ],
)
def test_a_raw_file_that_is_not_whole_holds_nothing(content: bytes) -> None:
    assert read_raw(content) == {}


def test_a_raw_file_without_points_is_no_success() -> None:
    signals = read_raw(raw_file(REAL, NAMES, "real", points=0))
    failure = classify("Error: run aborted", signals, ("v(out)",))
    assert failure is not None


def test_complex_signals_become_real_pairs() -> None:
    parts = real_signals({"frequency": np.array([1 + 0j]), "v(a)": np.array([2 - 1j]), "i(b)": np.array([3.0])})
    assert {name: values.tolist() for name, values in parts.items()} == {
        "frequency": [1.0], "v(a)": [2.0], "imag(v(a))": [-1.0], "i(b)": [3.0],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("vector", "name"),
    [
        ("Out", "v(out)"), ("x1.inner", "v(x1.inner)"), ("vdd#branch", "i(vdd)"), ("time", "time"),
        ("v-sweep", "v-sweep"), ("frequency", "frequency"), ("@m1[id]", "@m1[id]"), ("v(out)", "v(out)"),
    ],
)  # fmt: skip
def test_vectors_are_called_as_spice_calls_them(vector: str, name: str) -> None:
    assert signal_name(vector) == name


GOOD = {"time": np.arange(3.0), "v(a)": np.ones(3), "i(v1)": np.zeros(3)}
STEPPING = (
    "Note: Starting dynamic gmin stepping\nWarning: singular matrix:  check node a\nNote: gmin stepping completed"
)


@pytest.mark.parametrize(
    ("log", "signals", "expected"),
    [
        ("", GOOD, None),
        (STEPPING, GOOD, None),
        ("stderr Warning: Gmin stepping failed\nTransient op finished successfully", GOOD, None),
        (
            "Circuit: * study of timestep too small, aborted, r1 is not a valid resistor instance line, ignored",
            GOOD,
            None,
        ),
        ("", {**GOOD, "v(a)": np.array([1.0, np.nan, 1.0])}, FailureKind.NOT_FINITE),
        ("", {**GOOD, "v(a)": np.array([1.0, np.inf, 1.0])}, FailureKind.NOT_FINITE),
        ("", {**GOOD, "time": np.array([1.0, np.inf, 1.0])}, None),  # only what was asked for
        ("", {**GOOD, "v(a)": np.ones(2)}, FailureKind.BAD_NETLIST),
        ("", {"time": np.arange(3.0)}, FailureKind.BAD_NETLIST),
        ("doAnalyses: TRAN:  Timestep too small; time = 5n: trouble with node b", GOOD, FailureKind.NO_CONVERGENCE),
        ("run simulation(s) aborted", GOOD, FailureKind.NO_CONVERGENCE),
        ("Warning: 'r1 a' is not a valid resistor instance line, ignored!", GOOD, FailureKind.BAD_NETLIST),
        ("", {}, FailureKind.CRASH),
        ("Using KLU as Direct Linear Solver", {}, FailureKind.CRASH),
        ("Circuit: * error study", {}, FailureKind.CRASH),
        ("Error: circuit not parsed.", {}, FailureKind.BAD_NETLIST),
        ("could not find a valid modelname\nError: circuit not parsed.", {}, FailureKind.MISSING_MODEL),
    ],
)
def test_the_vectors_decide_and_the_log_names_the_cause(
    log: str, signals: dict[str, NDArray[np.float64]], expected: FailureKind | None
) -> None:
    failure = classify(log, signals, ("V(a)", "i(v1)"))
    assert (failure and failure.kind) == expected
    if failure:
        assert failure.line and "\n" not in failure.line


def test_a_message_is_given_with_the_lines_that_belong_to_it() -> None:
    log = "Circuit: * x\nError on line 6 or its substitute:\n\tr1 a 0 1\n\ndevice already exists\nError: not parsed."
    failure = classify(log, {}, ("v(a)",))
    assert failure == Failure(
        FailureKind.BAD_NETLIST, "Error on line 6 or its substitute: r1 a 0 1 device already exists"
    )
    assert classify("Error on line 6 or its substitute:", {}, ("v(a)",)) is not None


def test_samples() -> None:
    signals = {"time": np.array([0.0, 1.0, 3.0]), "v(a)": np.array([0.0, 2.0, 0.0])}
    got = sampled(signals, (0.5, 2.0))
    assert got["time"].tolist() == [0.5, 2.0] and got["v(a)"].tolist() == [1.0, 1.0]
    assert sampled(signals, ()) == signals
    sweep = {"v-sweep": np.arange(3.0), "v(a)": np.arange(3.0)}
    assert sampled(sweep, (0.5,)) == sweep  # only a transient has times


def test_the_text_of_a_deck() -> None:
    deck = Deck("two\n lines  of title", "\nv1 a 0 1\nr1 a 0 1\n\n", (".op",), tuple(f"v(n{n})" for n in range(17)))
    text = deck.text(klu=True)
    lines = text.splitlines()
    assert lines[0] == "* two lines of title" and lines[-1] == ".end" and text.endswith("\n")
    assert ".options klu num_threads=1" in lines and ".options sparse num_threads=1" in deck.text(klu=False)
    assert "" not in lines
    saves = [line for line in lines if line.startswith(".save")]
    assert [len(line.split()) for line in saves] == [17, 2]
    assert "reltol=1e-05 abstol=1e-13 vntol=1e-08 chgtol=1e-16 gmin=1e-14 trtol=7" in text
    assert "method=trap maxord=2 itl1=300 itl4=60 temp=27 tnom=27" in text
    warm = deck.with_tolerances(temperature=85.0)
    assert "temp=85" in warm.text(klu=True) and warm.circuit == deck.circuit and deck.tolerances == Tolerances()


def test_a_result_knows_its_signals_by_any_case() -> None:
    result = Result("key", {"v(out)": np.ones(1)}, None, "", 0.1)
    assert result.ok and result["V(OUT)"] is result.signals["v(out)"]
    with pytest.raises(KeyError):
        result["v(in)"]


def climbed(kinds: list[FailureKind | None]) -> tuple[Result, list[Tolerances]]:
    """The ladder over a simulator that fails as listed; the result, and the tolerances of each attempt."""
    seen: list[Tolerances] = []

    def run(deck: Deck) -> Result:
        kind = kinds[len(seen)]
        seen.append(deck.tolerances)
        return Result("key", {}, None if kind is None else Failure(kind, "line"), f"log {len(seen)}", 1.0)

    deck = Deck("x", "v1 a 0 1", (".op",), ("v(a)",), Tolerances(reltol=1e-4, vntol=2e-8))
    return climb(deck, run), seen


def test_the_ladder() -> None:
    names = tuple(name for name, _ in RUNGS)
    N, F, B = FailureKind.NO_CONVERGENCE, FailureKind.NOT_FINITE, FailureKind.BAD_NETLIST
    for kinds, tried in (([None], 1), ([N, None], 2), ([F, N, None], 3), ([N, N, N], 3), ([B], 1), ([N, B], 2)):
        result, seen = climbed([*kinds])
        assert result.attempts == names[:tried] and len(seen) == tried
        assert (result.failure and result.failure.kind) == kinds[-1]
        assert result.log == "\n".join(f"--- {names[n]}\nlog {n + 1}" for n in range(tried))
        for tolerances in seen:  # accuracy is never loosened
            assert (tolerances.reltol, tolerances.vntol, tolerances.gmin) == (1e-4, 2e-8, 1e-14)
    assert climbed([N, N, N])[1][0].method == "trap" and climbed([N, N, N])[1][1].method == "gear"


def test_timeouts_are_not_tried_again() -> None:
    result, seen = climbed([FailureKind.TIMEOUT])
    assert len(seen) == 1 and not result.ok


def test_on_every_rung_halved_steps_stay_finer() -> None:
    for _, rung in RUNGS:
        assert rung(Tolerances(trtol=7 / 8)).trtol == rung(Tolerances()).trtol / 8


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("10n", 10e-9), ("10ns", 10e-9), ("2.5Meg", 2.5e6), ("3m", 3e-3), ("1mil", 25.4e-6), ("1e-9", 1e-9),
        (".5u", 5e-7), ("4", 4.0), ("1e3k", 1e6), ("2F", 2e-15), ("-1p", -1e-12), ("{t}", None), ("", None),
        ("n1", None), ("1n2", None),
    ],
)  # fmt: skip
def test_numbers_are_read_as_spice_reads_them(text: str, number: float | None) -> None:
    assert spice_number(text) == (None if number is None else pytest.approx(number, rel=1e-15))
