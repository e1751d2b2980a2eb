import subprocess
import sys
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosim.errors import CosimError
from cosim.units import format_si, parse_quantity, unit_scale

finite = st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("150 uS", "S", 150e-6),
        ("150 µS", "S", 150e-6),  # micro sign
        ("150 μS", "S", 150e-6),  # Greek mu
        ("2.67uS", "S", 2.67e-6),
        ("  0.43 V ", "V", 0.43),
        ("-1e-3 V", "V", -1e-3),
        (".5 kohm", "ohm", 500.0),
        ("1 kΩ", "ohm", 1000.0),
        ("10 fF", "F", 10e-15),
        ("1.5 GHz", "Hz", 1.5e9),
        ("1 1/s", "Hz", 1.0),
        ("3 nA/V", "S", 3e-9),
        ("1 year", "s", 365.25 * 86400),
        ("27 degC", "K", 300.15),
        ("2 %", "1", 0.02),
        ("0.02", "1", 0.02),
        (0.02, "1", 0.02),
        (3, "1", 3.0),
    ],
)
def test_a_quantity_becomes_the_nearest_float_in_si_units(text: object, unit: str, value: float) -> None:
    assert parse_quantity(text, unit) == value


@settings(deadline=None)
@given(finite)
def test_every_float_survives_being_written_with_its_unit(value: float) -> None:
    assert parse_quantity(f"{value!r} V", "V") == value


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("150", "the unit is missing"),
        (150, "the unit is missing"),
        ("150 us", "'us' is a unit of another dimension than 'S'"),
        ("150 uSs", "'uSs' is not a unit"),
        ("150 S**", "'S**' is not a unit"),
        ("150 __import__('os')", "is not a unit"),
        ("150 2 S", "is not a unit"),
        ("uS", "not a number with a unit"),
        ("", "not a number with a unit"),
        ("nan S", "not a number with a unit"),
        ("1,5 S", "is not a unit"),
        ("1e999 S", "the number is too large"),
        (True, "not a quantity"),
        (None, "not a quantity"),
        (["1 S"], "not a quantity"),
    ],
)
def test_what_is_wrong_is_said_with_file_key_value_and_an_example(text: object, says: str) -> None:
    with pytest.raises(CosimError) as caught:
        parse_quantity(text, "S", file="device.toml", key="g_max")
    message = str(caught.value)
    assert says in message
    assert message.startswith("device.toml: key 'g_max'")
    assert "'S'" in message.split("Allowed: ")[1]


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (150e-6, "S", "150 µS"),
        (2.67e-6, "S", "2.67 µS"),
        (999.99e-6, "S", "1 mS"),
        (0.2, "V", "200 mV"),
        (1.0, "V", "1 V"),
        (-12.5e-12, "J", "-12.5 pJ"),
        (6666.7, "ohm", "6.667 kohm"),
        (0.0, "V", "0 V"),
        (1e-21, "F", "0.001 aF"),
        (3e15, "Hz", "3000 THz"),
        (0.02, "1", "0.02"),
        (0.0123, "LSB", "0.0123 LSB"),
        (float("nan"), "V", "nan V"),
        (float("inf"), "V", "inf V"),
    ],
)
def test_printed_with_the_prefix_of_its_size(value: float, unit: str, text: str) -> None:
    assert format_si(value, unit) == text


@settings(deadline=None)
@given(st.floats(min_value=1e-18, max_value=9e14))
def test_what_is_printed_reads_back_to_its_digits(value: float) -> None:
    assert parse_quantity(format_si(value, "V", digits=6), "V") == pytest.approx(value, rel=6e-6, abs=0)


def test_pint_is_not_loaded_before_a_quantity_is_read() -> None:
    code = "import sys, cosim, cosim.units, cosim.resources, cosim.files; sys.exit('pint' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("symbol", "unit", "factor", "offset"),
    [
        ("mV", "V", "0.001", "0"),
        ("V", "V", "1", "0"),
        ("µA", "A", "0.000001", "0"),
        ("1/kohm", "S", "0.001", "0"),
        ("%", "1", "0.01", "0"),
        ("1", "1", "1", "0"),
        ("K", "degC", "1", "-273.15"),
        ("degC", "degC", "1", "0"),
    ],
)
def test_the_scale_of_a_unit_is_exact(symbol: str, unit: str, factor: str, offset: str) -> None:
    assert unit_scale(symbol, unit) == (Decimal(factor), Decimal(offset))


@pytest.mark.parametrize(
    ("symbol", "says"),
    [("", "unit is missing"), ("mW", "another dimension than 'V'"), ("V?", "not a unit"), ("vlt", "not a unit")],
)
def test_a_wrong_unit_of_a_column_is_named(symbol: str, says: str) -> None:
    with pytest.raises(CosimError, match=says) as caught:
        unit_scale(symbol, "V", file="lab.toml", key="columns.voltage.unit")
    assert (caught.value.file, caught.value.key, caught.value.value) == ("lab.toml", "columns.voltage.unit", symbol)
