"""A noise analysis: with KLU ngspice refuses it, so these decks take the other solver."""

import numpy as np
import pytest

from cosim.spice import Deck, SimulatorPool, Tolerances

BOLTZMANN = 1.380649e-23  # [J/K], SI


def test_the_thermal_noise_of_an_rc_is_kt_over_c(pool: SimulatorPool) -> None:
    """Over all frequencies the noise of a resistor on a capacitor is kT / C, whatever the resistor."""
    deck = Deck(
        "RC", "Vin in 0 dc 0 ac 1\nr1 in out 1k\nc1 out 0 1p", (".noise v(out) Vin dec 50 1k 1e13",),
        ("onoise_spectrum", "inoise_spectrum"), Tolerances(),
    )  # fmt: skip
    assert "sparse" in deck.text(klu=True) and "klu" not in deck.text(klu=True)
    result = pool.run([deck])[0]
    assert result.failure is None, result.log
    frequency, density = result["frequency"], result["onoise_spectrum"]
    assert density[0] == pytest.approx(np.sqrt(4 * BOLTZMANN * 300.15 * 1e3), rel=1e-3)
    # ngspice's k is older by 1e-5; the rest is the trapezoidal rule on 50 points a decade.
    assert np.trapezoid(density**2, frequency) == pytest.approx(BOLTZMANN * 300.15 / 1e-12, rel=3e-3)
