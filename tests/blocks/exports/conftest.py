"""Fitted models that several of these tests export, and the simulators that read what was written."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cosim.blocks import ramp_adc
from cosim.blocks.comparator.behaviour import ComparatorModel
from cosim.blocks.exports import exporter_of
from cosim.blocks.ramp_adc.behaviour import RampAdcModel
from cosim.blocks.registry import get_block
from cosim.spice import Deck, SimulatorPool, Tolerances

from .comparators import LATCH, STAGES, model_of

Array = NDArray[np.float64]
Logic = Callable[[str, str, Sequence[float]], list[list[str]]]


@pytest.fixture(scope="session")
def adc(pool: SimulatorPool) -> RampAdcModel:
    """A 3-bit sigmoid ADC, fitted to four simulated chips."""
    config = ramp_adc.Config(bits=3)
    return ramp_adc.fit(ramp_adc.characterise(config, chips=4, v_reads=(), pool=pool, show_progress=False))


@pytest.fixture(scope="session")
def clocked() -> ComparatorModel:
    return model_of("comparator_strongarm", "mismatch", **LATCH)


@pytest.fixture(scope="session")
def continuous() -> ComparatorModel:
    return model_of("comparator_two_stage", "mismatch", **STAGES)


@pytest.fixture(scope="session")
def simple() -> dict[str, ComparatorModel]:
    one_pole = {name: value for name, value in STAGES.items() if not name.startswith("q")}
    logarithm = {name: value for name, value in LATCH.items() if name != "t_0"}
    return {
        "continuous": model_of("comparator_two_stage", "simple", **one_pole),
        "clocked": model_of("comparator_strongarm", "simple", **logarithm),
    }


def exported(block: str, model: object, language: str, **options: object) -> str:
    """The text of an export, without its header."""
    return exporter_of(get_block(block), language)(model, options).text


def swept(
    pool: SimulatorPool, lines: Sequence[str], low: float, high: float, points: int, saves: Sequence[str], **more: float
) -> dict[str, Array]:
    """Signals of a `.dc` of the source `vin` between `low` and `high`, `v(in)` among them."""
    low, high = float(low), float(high)
    deck = Deck(
        "exported model in a deck", "\n".join(lines), (f".dc vin {low!r} {high!r} {(high - low) / (points - 1)!r}",),
        ("v(in)", *saves), Tolerances(**{"reltol": 1e-9, "abstol": 1e-18, "vntol": 1e-12, **more}),
    )  # fmt: skip
    result = pool.run([deck])[0]
    assert result.ok, result.failure
    return {name: result[name] for name in ("v(in)", *saves)}


# Verilator writes C++ that takes the compiler seconds; its lint is quick (`lint`).
@pytest.fixture(params=["icarus", pytest.param("verilator", marks=pytest.mark.slow)])
def logic(request: pytest.FixtureRequest, tmp_path: Path) -> Logic:
    """Run a module and its bench, the bench's inputs in `inputs.txt`; returns the words of each line it prints."""
    simulator = {"icarus": _icarus, "verilator": _verilator}[request.param]

    def run(module: str, bench: str, inputs: Sequence[float]) -> list[list[str]]:
        (tmp_path / "module.sv").write_text(module)
        (tmp_path / "bench.sv").write_text(bench)
        (tmp_path / "inputs.txt").write_text("".join(f"{value!r}\n" for value in inputs))
        return [line.split() for line in simulator(tmp_path).splitlines() if line.startswith("=")]

    return run


def _icarus(folder: Path) -> str:
    _need("iverilog")
    said = _run(folder, "iverilog", "-g2012", "-Wall", "-Wno-timescale", "-o", "bench.vvp", "module.sv", "bench.sv")
    assert said == ""
    return _run(folder, "vvp", "-n", "bench.vvp")


def _verilator(folder: Path) -> str:
    _need("verilator")
    if shutil.which("g++") is None:
        pytest.skip("verilator is here, but no g++ for what it writes")
    _run(folder, "verilator", "--binary", "--timing", "-O0", "--top-module", "bench", "bench.sv", "module.sv")
    return _run(folder, "./obj_dir/Vbench")


def lint(folder: Path, module: str) -> None:
    """Warnings of Verilator, which takes the ports as IEEE 1800 has them.

    Left out: the file's name, and blocking assignments beside clocked ones, which synthesis would mind.
    """
    _need("verilator")
    (folder / "module.sv").write_text(module)
    _run(folder, "verilator", "--lint-only", "--timing", "-Wall", "-Wno-DECLFILENAME", "-Wno-BLKSEQ", "module.sv")


def _need(program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed (Debian package {program})")


def _run(folder: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout + (done.stderr if command[0] == "iverilog" else "")


def run_verilog_a(folder: Path, module: str, bench: str) -> NDArray[np.void]:
    """Simulate `module` (model.va) with EVAS, an event-driven Verilog-A simulator; the waveforms by name."""
    if find_spec("evas") is None:
        pytest.skip("no Verilog-A simulator here (Python package evas-sim)")
    (folder / "model.va").write_text(module)
    (folder / "bench.scs").write_text(bench)
    assert "No EVAS lint diagnostics" in _run(
        folder, sys.executable, "-m", "evas", "lint", "model.va", "--spectre-strict"
    )
    _run(folder, sys.executable, "-m", "evas", "simulate", "bench.scs", "-o", "out")
    return np.genfromtxt(folder / "out" / "tran.csv", delimiter=",", names=True)
