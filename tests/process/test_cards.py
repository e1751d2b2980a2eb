"""The shipped cards show what their headers say, corner by corner."""

import re

import numpy as np
import pytest
from numpy.typing import NDArray

from cosim.process import CORNERS, load_process
from cosim.process.process import Process
from cosim.resources import process_file, process_names
from cosim.spice import Deck, SimulatorPool, Tolerances

Array = NDArray[np.float64]


def saturation(process: Process, pool: SimulatorPool, temperature: float = 27.0) -> dict[str, Array]:
    """Corner -> saturation currents of NMOS and PMOS [A] and BSIM4's |Vth| of both [V], W = 1 um, shortest channel."""
    decks = []
    for corner in CORNERS:
        size = f"w=1u l={process.l_min}"
        lines = [process.text(corner), f"vn n 0 {process.v_dd}", f"vp p 0 {-process.v_dd}"]
        lines += [f"xn n n 0 0 nmos {size}", f"xp p p 0 0 pmos {size}"]
        saves = ("i(vn)", "i(vp)", "@m.xn.m1[vth]", "@m.xp.m1[vth]")
        decks.append(Deck("saturation", "\n".join(lines), (".op",), saves, Tolerances(temperature=temperature)))
    results = pool.run(decks)
    return {
        corner: np.array([abs(result[name][0]) for name in decks[0].saves])
        for corner, result in zip(CORNERS, results, strict=True)
    }


def test_all_shipped_processes_load() -> None:
    assert process_names() == ["generic180", "generic65"]
    for name in process_names():
        process = load_process(name)
        assert process.name == name and set(process.sections) == set(CORNERS)


@pytest.mark.parametrize("name", ["generic180", "generic65"])
def test_headers_and_corners(name: str, pool: SimulatorPool) -> None:
    process = load_process(name)
    found = saturation(process, pool)
    # Two digits of "|Vth| = 0.51 V and saturation currents of 0.40 mA/um (NMOS) and 0.14 mA/um (PMOS)".
    header = " ".join(process_file(name).with_suffix(".cir").read_text().split(".model")[0].replace("\n*", " ").split())
    stated = re.search(r"\|Vth\| = (.*?) V(.*?)and saturation currents of (\S+) .*?(?:and)? ?(\d\.\d+) mA/um", header)
    assert stated, header
    second = re.search(r"and (\d\.\d+) V \(PMOS\)", stated[2])
    thresholds = [float(stated[1]), float(second[1] if second else stated[1])]
    np.testing.assert_allclose(found["TT"][:2] * 1e3, [float(stated[3]), float(stated[4])], atol=5e-3)
    np.testing.assert_allclose(found["TT"][2:], thresholds, atol=5e-3)
    on = {corner: values[:2] for corner, values in found.items()}
    for kind in (0, 1):
        order = sorted(CORNERS, key=lambda corner: on[corner][kind])
        # The oxide, too, is thinner in FF, and typical in the skewed corners.
        assert order == [["SS", "SF", "TT", "FS", "FF"], ["SS", "FS", "TT", "SF", "FF"]][kind]
    # Oxide's thickness aside, a skewed corner shifts each threshold as the fast or the slow one does.
    shift = re.search(r"dvth_n=-([\d.]+)", process_file(name).with_suffix(".lib").read_text())
    assert shift
    by = float(shift[1])
    np.testing.assert_allclose(found["FS"][2:] - found["TT"][2:], [-by, by], atol=1e-6)
    np.testing.assert_allclose(found["SF"][2:] - found["TT"][2:], [by, -by], atol=1e-6)


def test_temperature(pool: SimulatorPool) -> None:
    """Mobility falls faster with temperature than the threshold at full supply: less current when hot."""
    process = load_process("generic180")
    cold, hot = (saturation(process, pool, temperature)["TT"] for temperature in (-40.0, 125.0))
    assert np.all(cold[:2] > 1.1 * hot[:2])
    # kt1 = -0.22 V and -0.25 V: Vth falls by |kt1| dT / 300.15 K, and by a few per cent of it more with short channels.
    np.testing.assert_allclose(cold[2:] - hot[2:], np.array([0.22, 0.25]) * 165 / 300.15, rtol=0.1)
