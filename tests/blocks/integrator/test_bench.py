"""The benches against an amplifier of which everything is known: a transconductance on R and C, noise from a resistor.

It also shows how a user's own netlist replaces the shipped ones.
"""

from pathlib import Path

import numpy as np
import pytest

from cosim.blocks.config import load_config
from cosim.blocks.integrator.config import IntegratorConfig
from cosim.blocks.integrator.extraction import loop_figures
from cosim.blocks.integrator.netlist import hold_noise_deck, loop_deck, reset_noise_deck
from cosim.blocks.waveforms import integrated_noise
from cosim.errors import CosimError
from cosim.spice import SimulatorPool

GM, RO, CO = 2e-3, 1e6, 0.3e-12  # [S], [ohm], [F]
K_T = 1.380649e-23 * 300.15  # [J] at 27 deg C
OWN = f"""* one transconductance; the reset is a noisy resistor behind a noiseless switch
.subckt integrator bl out rst vclp cfb=1p cbl=1f
cbl bl 0 {{cbl}}
cfb bl out {{cfb}}
g1 out vclp bl vclp {GM}
g2 out vclp out vclp {1 / RO}
co out 0 {CO}
b1 bl mid i=v(bl,mid)*(v(rst)>0.9 ? 10 : 0)
r1 mid out 200
.ends
"""


@pytest.fixture
def own(tmp_path: Path) -> IntegratorConfig:
    file = tmp_path / "own.cir"
    file.write_text(OWN)
    return IntegratorConfig(integrator=str(file), c_load=0.1e-12)


def test_loop_gain_of_a_known_circuit(own: IntegratorConfig, pool: SimulatorPool) -> None:
    """T = gm s C_fb / det Y, Y without the transconductance: the return ratio with its load and its way back."""
    figures = loop_figures(pool.run([loop_deck(own)])[0], own)
    s = 2j * np.pi * figures["frequency"]
    load = 1 / RO + s * (CO + own.c_load)
    y11, y22 = s * (own.c_fb + own.c_bitline), load + s * own.c_fb
    loop = GM * s * own.c_fb / (y11 * y22 - (s * own.c_fb) ** 2)
    # The bench takes differences of numbers up to 2000 times as large: 1e-12 of rounding becomes 1e-9 and more.
    np.testing.assert_allclose(figures["loop_response"], np.abs(loop), rtol=1e-6)
    np.testing.assert_allclose(figures["loop_phase"], np.degrees(np.unwrap(np.angle(loop))), atol=1e-4)
    assert figures["dc_gain"] == pytest.approx(GM * RO, rel=1e-6)
    # One pole in the loop: its load is what the output sees with the bit line floating.
    seen = CO + own.c_load + own.c_fb * own.c_bitline / (own.c_fb + own.c_bitline)
    unity = GM * figures["feedback_factor"] / (2 * np.pi * seen)
    assert figures["loop_bandwidth"] == pytest.approx(unity, rel=1e-4)
    assert figures["phase_margin"] == pytest.approx(90.0, abs=0.1)


def test_reset_noise_is_kt_over_c(own: IntegratorConfig, pool: SimulatorPool) -> None:
    """A closed switch leaves kT / C_fb on C_fb, whatever its resistance, with an amplifier without noise of its own.

    The amplifier's finite transconductance loads the switch: the resistor's noise then ends below kT / C_fb by some
    R / (1 / gm) times the small capacitors over C_fb. With the output stiff nothing is left of that.
    """
    deck, stiff = reset_noise_deck(own), reset_noise_deck(own)
    stiff = type(deck)(
        stiff.title, stiff.circuit.replace(f"vclp {GM}", "vclp 10"), stiff.analyses, stiff.saves, stiff.tolerances
    )
    usual, ideal = (integrated_noise(result) for result in pool.run([deck, stiff]))
    assert ideal == pytest.approx(np.sqrt(K_T / own.c_fb), rel=3e-3)  # straight lines between 20 points a decade
    assert usual == pytest.approx(np.sqrt(K_T / own.c_fb), rel=0.2)


def test_a_held_output_without_noise_sources_is_quiet(own: IntegratorConfig, pool: SimulatorPool) -> None:
    assert integrated_noise(pool.run([hold_noise_deck(own)])[0]) < 1e-9


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (".subckt amplifier a b\n.ends\n", "has no subcircuit 'integrator'"),
        (".subckt integrator a b c cfb=1p\nr1 a b 1k\n.ends\n", "other pins .*bl out rst vclp bias vdd vss"),
        (".subckt integrator bl out rst vclp\n.ends\n.control\nshell ls\n.endc\n", "own.cir"),
    ],
)
def test_netlists_that_cannot_be_used(content: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "own.cir"
    file.write_text("* own\n" + content)
    with pytest.raises(CosimError, match=message):
        load_config(IntegratorConfig, None, {"integrator": str(file)})


def test_settings_that_do_not_go_together() -> None:
    with pytest.raises(CosimError, match="t_clock must hold the read pulse"):
        load_config(IntegratorConfig, None, {"t_pulse": 1e-7, "t_clock": 5e-8})
    with pytest.raises(CosimError, match="no such netlist"):
        load_config(IntegratorConfig, None, {"integrator": "otta"})


def test_defaults_follow_the_process() -> None:
    old, new = IntegratorConfig(), IntegratorConfig(process="generic65", v_dd=1.08)
    assert (old.v_clp, old.swing) == pytest.approx((1.0, 0.54))
    assert (new.v_clp, new.swing) == pytest.approx((1.2 * 5 / 9, 0.36))
