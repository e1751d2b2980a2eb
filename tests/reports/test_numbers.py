"""How numbers are printed."""

import math

import pytest

from cosim.reports import numbers


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (0.0024077, "0.00241"), (-1.5, "−1.50"), (2.2717e-11, "2.27 × 10⁻¹¹"), (-2e9, "−2.00 × 10⁹"),
     (99999.0, "1.00 × 10⁵"), (123.456, "123"), (math.nan, "–"), (None, "–")],
)  # fmt: skip
def test_significant(value: float | None, text: str) -> None:
    assert numbers.significant(value).replace(numbers.NBSP, " ") == text


@pytest.mark.parametrize(("value", "text"), [(-0.0001, "0.00"), (0.005, "0.01"), (-0.006, "−0.01"), (math.inf, "–")])
def test_fixed_has_no_negative_zero(value: float, text: str) -> None:
    assert numbers.fixed(value, 2) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(1.2327e-10, "J", "123 pJ"), (8.478e-13, "J", "848 fJ"), (8.666e8, "Hz", "867 MHz"), (10.0, "ohm", "10.0 Ω"),
     (99.99999998911, "ohm", "100 Ω"), (0.9999999999, "ohm", "1.00 Ω"), (-5e-4, "V", "−500 µV"),
     (0.443, "1/V", "0.443 V⁻¹"), (0.05, "1", "0.0500"), (0.0, "V", "0 V"),
     (1.166e-6, "m^2", "1.17 mm²"), (3.4e-9, "m^2", "3400 µm²"), (12.3, "1e12/J", "12.3 TOPS/W")],
)  # fmt: skip
def test_quantity(value: float, unit: str, text: str) -> None:
    assert numbers.quantity(value, unit).replace(numbers.NBSP, " ") == text


@pytest.mark.parametrize(
    ("value", "interval", "unit", "texts"),
    [
        (8.666287e8, [8.365982e8, 8.966592e8], "Hz", ("867 MHz", "837 to 897 MHz")),
        (-0.000495126, [-0.000520508, -0.000469745], "V", ("−495 µV", "−521 to −470 µV")),
        (0.0504, [0.04625, 0.05457], "1/V", ("0.0504 V⁻¹", "0.0462 to 0.0546 V⁻¹")),
        (0.99999999996, [0.99999999986, 1.00000000006], "ohm", ("1.000000 Ω", "± 1.0 × 10⁻¹⁰ Ω")),
        (1.2e-10, None, "J", ("120.0 pJ", "–")),
        (2.4567, [2.03, 2.90], "1/V^2", ("2.46 V⁻²", "2.03 to 2.90 V⁻²")),
    ],
)
def test_parameters_are_rounded_to_what_their_interval_tells(
    value: float, interval: list[float] | None, unit: str, texts: tuple[str, str]
) -> None:
    found = numbers.parameter({"value": value, "unit": unit, "interval": interval})
    assert tuple(each.replace(numbers.NBSP, " ") for each in found) == texts


def test_a_parameter_of_many_values_is_its_range() -> None:
    entry = {"value": [-0.0015227, 6.1e-05, 0.00010035], "unit": "V", "interval": None}
    assert [each.replace(numbers.NBSP, " ") for each in numbers.parameter(entry)] == [
        "3 values, −1.52 mV to 100 µV",
        "–",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.1234, "0.123 s"),
        (91.26, "91.3 s"),
        (119.7, "2 min 0 s"),
        (243.0, "4 min 3 s"),
        (7199.0, "119 min 59 s"),
        (15000.0, "4 h 10 min"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    assert numbers.duration(seconds).replace(numbers.NBSP, " ") == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(1.0, "100 %"), (0.99999, "99.99 %"), (0.5, "50.00 %"), (1e-9, "0.01 %"), (0.0, "0 %"), (1.02, "102.00 %")],
)
def test_only_all_is_a_hundred_percent(share: float, text: str) -> None:
    assert numbers.percent(share, 2).replace(numbers.NBSP, " ") == text


def test_shares_and_differences() -> None:
    assert numbers.percent_range([0.957, 0.979]).replace(numbers.NBSP, " ") == "95.7 to 97.9 %"
    assert numbers.points_range([-0.0098, 0.0065]) == "−0.98 to +0.65"
    assert numbers.points(1e-6) == "0.00"
    assert numbers.percent_range(None) == numbers.points_range(None) == numbers.percent(None) == "–"
