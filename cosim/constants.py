"""Constants of physics, in SI units."""

BOLTZMANN = 1.380649e-23
"""k [J/K], exact by the definition of the kelvin (SI brochure, 9th edition, 2019; CODATA 2018)."""

ZERO_CELSIUS = 273.15
"""0 deg C [K], exact by the definition of the degree Celsius (SI brochure, 9th edition, 2019)."""

ELEMENTARY_CHARGE = 1.602176634e-19
"""e [C], exact by the definition of the ampere (SI brochure, 9th edition, 2019; CODATA 2018)."""
