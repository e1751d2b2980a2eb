"""The exported integrator gives the output steps of the model, in the bench that it was characterised in."""

import numpy as np
import pytest

from cosim.blocks.domain import Domain
from cosim.blocks.integrator.behaviour import IDEAL_RANGE, IntegratorModel
from cosim.blocks.integrator.config import IntegratorConfig
from cosim.blocks.integrator.netlist import EDGE, pulse_times
from cosim.blocks.model import ModelError, Parameter
from cosim.seeds import stream
from cosim.spice import Deck, SimulatorPool, Tolerances

from .conftest import exported

ERROR = ModelError(rms=0.01, maximum=0.02, unit="V", points=9, limit=0.1, held_out="for the tests")
AMPLIFIER = {
    "offset_mean": 4e-4, "offset_sigma": 2e-3, "dc_gain": 3000.0, "gbw": 3e8, "gbw_tilt": -3e3, "gbw_bend": -1e7,
    "c_input": 30e-15, "output_low": 0.35, "w_low": 0.05, "output_high": 1.45, "w_high": 0.04, "noise": 1e-4,
}  # fmt: skip


def model_of(form: str) -> IntegratorModel:
    parameters = {name: Parameter(value, "1") for name, value in AMPLIFIER.items()}
    if form == IDEAL_RANGE:
        parameters |= {name: Parameter(0.0, "1") for name in ("gbw_tilt", "gbw_bend")}
    return IntegratorModel(
        config=IntegratorConfig(), form=form, parameters=parameters, error=ERROR, errors={},
        domain=Domain({"charge": (-1.0, 1.0)}),
    )  # fmt: skip


@pytest.mark.parametrize("form", ["amplifier", IDEAL_RANGE])
def test_steps_of_the_output(form: str, pool: SimulatorPool) -> None:
    """Read pulses of five charges through nominal and drawn integrators in one deck, to 4e-4 of the swing.

    Half of that is what the model leaves out: its charge takes the current for constant during the pulse, and the
    amplifier's gain for that of mid-range.
    """
    model = model_of(form)
    config = model.config
    times = pulse_times(config)
    charges = np.array([-0.9, -0.4, 0.1, 0.5, 0.9]) * config.full_scale
    lines = [
        exported("integrator", model, "spice"),
        exported("integrator", model, "spice", chip="seed:2", name="drawn"),
        f"vclp clp 0 {config.v_clp!r}",
        f"vrst rst 0 pwl(0 {config.v_dd!r} 20n {config.v_dd!r} 20.1n 0)",
        f"vword word 0 pwl(0 0 {times['before']!r} 0 {times['before'] + EDGE!r} 1 {times['closed']!r} 1"
        f" {times['closed'] + EDGE!r} 0)",
    ]
    saves = []
    for k, charge in enumerate(charges.tolist()):
        high = config.v_clp + float(np.copysign(config.v_read, charge))
        start, end = times["pulse"], times["pulse_end"]
        lines.append(
            f"vrow{k} row{k} 0 pwl(0 {config.v_clp!r} {start!r} {config.v_clp!r} {start + EDGE!r} {high!r}"
            f" {end - EDGE!r} {high!r} {end!r} {config.v_clp!r})"
        )
        for which in ("integrator_model", "drawn"):
            node = f"{which[0]}{k}"
            g = abs(charge) / (config.v_read * config.t_pulse)
            lines += [f"Bcell{node} row{k} bl{node} i={g!r}*v(word)*(v(row{k})-v(bl{node}))",
                      f"X{node} bl{node} out{node} rst clp {which}"]  # fmt: skip
            saves.append(f"v(out{node})")
    deck = Deck("integrators", "\n".join(lines), (f".tran 50p {times['after']!r} 0 100p",), tuple(saves),
                Tolerances(reltol=1e-6, vntol=1e-9))  # fmt: skip
    result = pool.run([deck])[0]
    assert result.ok, result.failure
    drawn = model.draw_offsets(1, np.random.default_rng(stream(2, "export: integrator")))[0]
    for letter, offset in (("i", model.value("offset_mean")), ("d", drawn)):
        steps = []
        for k in range(len(charges)):
            before, after = np.interp([times["before"], times["after"]], result["time"], result[f"v(out{letter}{k})"])
            steps.append(after - before)
            assert before == pytest.approx(config.v_clp + offset, abs=1e-5)
        wanted = model.output(charges, offset)
        np.testing.assert_allclose(steps, wanted, rtol=0, atol=4e-4 * config.swing)
        ideal = -charges / config.c_fb
        assert np.abs(wanted - ideal).max() > 3e-3 * config.swing  # the amplifier does count
