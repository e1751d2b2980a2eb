"""Activation functions: names, expressions and tables; the staircases that a converter makes of them."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import special

from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.conversion import convert
from cosim.blocks.ramp_adc.curve import read_points
from cosim.blocks.ramp_adc.expression import FUNCTIONS as KNOWN
from cosim.blocks.ramp_adc.expression import parse_expression
from cosim.blocks.ramp_adc.functions import (
    FUNCTIONS,
    code_levels,
    differential_error,
    get_function,
    levels_at_thresholds,
    lsb_at_thresholds,
    missing_codes,
    output_error,
    staircase,
)
from cosim.errors import CosimError

Array = NDArray[np.float64]

TWO_HUMPS = "expr: sin(3*x) + 0.2*x"


# --- values


def test_the_functions_against_scipy() -> None:
    x = np.linspace(-4, 4, 101)
    value = {name: get_function(name).value(x) for name in FUNCTIONS}
    np.testing.assert_allclose(value["sigmoid"], special.expit(x), rtol=1e-14)
    np.testing.assert_allclose(value["gelu"], x * (1 + special.erf(x / np.sqrt(2))) / 2, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(value["silu"], x * special.expit(x), rtol=1e-13)
    np.testing.assert_allclose(value["softplus"], np.log1p(np.exp(x)), rtol=1e-13)
    np.testing.assert_array_equal(value["relu"], np.where(x > 0, x, 0.0))
    np.testing.assert_array_equal(value["exp"], np.exp(x))


def test_the_known_minima() -> None:
    """GELU: -0.16997 at x = -0.75179; SiLU: -0.27846 at x = -1.27846 (which is where g = x + 1)."""
    assert get_function("gelu").low == pytest.approx(-0.1699712, abs=1e-7)
    assert get_function("silu").low == pytest.approx(-0.2784645, abs=1e-7)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("bits", [3, 5, 8])
def test_thresholds_are_where_the_function_crosses_its_levels(name: str, bits: int) -> None:
    function = get_function(name)
    stairs = staircase(function, bits)
    lsb = (function.high - function.low) / 2**bits
    np.testing.assert_allclose(
        function.value(stairs.thresholds), levels_at_thresholds(function, bits), rtol=0, atol=1e-11 * lsb * 2**bits
    )
    assert (np.diff(stairs.thresholds) > 0).all()
    assert stairs.rising == (name not in ("gelu", "silu") or bits == 3)
    if stairs.rising:
        np.testing.assert_array_equal(stairs.level, np.arange(1, 2**bits))


def test_closed_forms_and_bracketing_agree() -> None:
    """The same functions written as expressions have no inverse, and get the same thresholds."""
    for name, text, reach in (
        ("sigmoid", "1/(1+exp(-x))", (-6, 6)),
        ("exp", "exp(x)", (-4, 0)),
        ("tanh", "tanh(x)", (-3, 3)),
    ):
        named, written = get_function(name, reach), get_function(f"expr: {text}", reach)
        assert written.inverse is None and named.inverse is not None
        assert (written.low, written.high) == pytest.approx((named.low, named.high), rel=1e-14)
        np.testing.assert_allclose(
            staircase(written, 6).thresholds, staircase(named, 6).thresholds, rtol=1e-10, atol=1e-11
        )


# --- staircases of functions that also fall

FALLING = [
    ("gelu", None),
    ("silu", None),
    ("expr: x*x", (-1.0, 2.0)),
    ("expr: -x", (-1.0, 1.0)),
    (TWO_HUMPS, (-2.0, 2.0)),
]


@pytest.mark.parametrize(("name", "reach"), FALLING)
@pytest.mark.parametrize("bits", [3, 5, 8])
def test_the_code_is_the_function_to_half_an_lsb(name: str, reach: tuple[float, float] | None, bits: int) -> None:
    """decode(code(x)) is within half an LSB of g(x) everywhere on the range, by the counter and by the kernel."""
    function = get_function(name, reach)
    stairs = staircase(function, bits)
    lsb = (function.high - function.low) / 2**bits
    x = np.linspace(function.x_low, function.x_high, 20011)
    codes = stairs.codes(np.searchsorted(stairs.thresholds, x, side="left"))
    assert codes.min() >= 0 and codes.max() <= 2**bits - 1
    error = np.abs(function.low + (codes + 0.5) * lsb - function.value(x)) / lsb
    assert error.max() <= 0.5 + 0.05 + 1e-9  # SMALLEST_BUMP: what touches a level and turns back is left out
    np.testing.assert_array_equal(convert(x[:, None], stairs.thresholds[None], stairs)[:, 0], codes)


def test_a_falling_function_counts_down() -> None:
    stairs = staircase(get_function("expr: -x", (-1.0, 1.0)), 3)
    assert stairs.start == 7 and (stairs.direction == -1).all() and not stairs.rising
    np.testing.assert_allclose(stairs.thresholds, np.arange(-3, 4) / 4, atol=1e-12)
    np.testing.assert_array_equal(stairs.code_above, np.arange(6, -1, -1))


def test_the_dip_of_silu_by_hand() -> None:
    """5 bits: LSB 0.1315, first level -0.147, crossed downwards at -2.947, upwards at -0.357; it starts in code 1."""
    function = get_function("silu")
    stairs = staircase(function, 5)
    assert stairs.start == 1 and len(stairs.thresholds) == 32
    np.testing.assert_array_equal(stairs.direction[:3], [-1, 1, 1])
    np.testing.assert_array_equal(stairs.code_above[:3], [0, 1, 2])
    level = code_levels(function, 5)[0]
    for x in stairs.thresholds[:2]:
        assert x / (1 + np.exp(-x)) == pytest.approx(level, abs=1e-12)
    np.testing.assert_allclose(stairs.thresholds[:2], [-2.947, -0.357], atol=1e-3)


def test_a_bump_that_hardly_touches_a_level_costs_no_clocks() -> None:
    """A level is exceeded by 0.03 LSB and left again: the pair of thresholds is dropped; by 0.3 LSB it is kept."""
    for excess, count in ((0.03, 7), (0.3, 9)):
        points = ((0.0, 0.0), (1.0, (3 + excess) / 8), (2.0, 0.3), (3.0, 1.0))
        stairs = staircase(get_function("table: bump", points=points), 3)
        assert len(stairs.thresholds) == count and stairs.code_above[-1] == 7


def test_errors_of_thresholds_of_a_function_that_falls() -> None:
    function = get_function("silu")
    stairs = staircase(function, 5)
    shifted = stairs.thresholds + 1e-4
    inl = output_error(function, 5, shifted)
    # To first order g'(x) dx / LSB: negative where the function falls.
    np.testing.assert_allclose(inl, stairs.direction * 1e-4 / slope_width(5), rtol=5e-3, atol=1e-6)
    np.testing.assert_allclose(differential_error(function, 5, stairs.thresholds), 0.0, atol=1e-9)
    np.testing.assert_allclose(
        differential_error(function, 5, shifted), np.diff(inl) * stairs.direction[:-1], rtol=1e-9, atol=1e-12
    )


def slope_width(bits: int) -> Array:
    """LSB / |g'| of SiLU at its thresholds, from its derivative s (1 + x (1 - s))."""
    function = get_function("silu")
    x = staircase(function, bits).thresholds
    s = special.expit(x)
    return np.asarray((function.high - function.low) / 2**bits / np.abs(s * (1 + x * (1 - s))))


def test_the_width_of_an_lsb_is_that_of_the_slope() -> None:
    np.testing.assert_allclose(lsb_at_thresholds(get_function("silu"), 5), slope_width(5), rtol=1e-6)
    flat = lsb_at_thresholds(get_function("expr: x**3", (-1.0, 1.0)), 4)  # g' = 0 at a threshold
    assert np.isfinite(flat).all() and flat.max() <= 10.0


def test_missing_codes() -> None:
    stairs = staircase(get_function("sigmoid"), 3)
    ideal = stairs.thresholds
    assert missing_codes(ideal, ideal, stairs.direction, 0) == 0
    one = ideal.copy()
    one[3] = ideal[2] + 0.05 * (ideal[3] - ideal[2])  # code 3 keeps a twentieth of its width
    assert missing_codes(ideal, one, stairs.direction, 0) == 1
    one[3] = ideal[2] + 0.15 * (ideal[3] - ideal[2])
    assert missing_codes(ideal, one, stairs.direction, 0) == 0
    # The dip of SiLU: a code that is met twice is missing only when both of its intervals are.
    dip = staircase(get_function("silu"), 5)
    gone = dip.thresholds.copy()
    gone[1] = gone[0] + 0.01  # code 0, the dip itself
    assert missing_codes(dip.thresholds, gone, dip.direction, dip.start) == 1


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), bits=st.integers(2, 8))
def test_the_up_down_counter_counts_in_any_order(seed: int, bits: int) -> None:
    """Thresholds with errors, out of order: code = start + sum of the directions of those below, held at the ends."""
    rng = np.random.default_rng(seed)
    stairs = staircase(get_function("silu"), bits)
    thresholds = stairs.thresholds + 0.3 * rng.standard_normal((3, len(stairs.thresholds)))
    mac = rng.uniform(-5, 5, (50, 3))
    expected = stairs.start + ((thresholds < mac[:, :, None]) * stairs.direction).sum(axis=-1)
    np.testing.assert_array_equal(convert(mac, thresholds, stairs), np.clip(expected, 0, 2**bits - 1))


# --- expressions


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("x", lambda x: x),
        ("-x**2 + 2*x - 1", lambda x: -(x**2) + 2 * x - 1),
        ("+x / 2", lambda x: x / 2),
        ("x**-2", lambda x: x**-2.0),
        ("x if x > 0 else 0.1*x", lambda x: np.where(x > 0, x, 0.1 * x)),
        ("min(max(x, -1), 1)", lambda x: np.clip(x, -1, 1)),
        ("0.5*x*(1 + erf(x/sqrt(2)))", lambda x: x * special.ndtr(x)),
        ("x*sigmoid(1.702*x)", lambda x: x * special.expit(1.702 * x)),
        ("log1p(exp(x))", lambda x: np.log1p(np.exp(x))),
        ("sin(pi*x)*e", lambda x: np.sin(np.pi * x) * np.e),
        ("3", lambda x: np.full_like(x, 3.0)),
    ],
)
def test_expressions(text: str, same: object) -> None:
    x = np.linspace(-3, 3, 12)
    np.testing.assert_allclose(parse_expression(text)(x), same(x), rtol=1e-13)  # type: ignore[operator]
    assert parse_expression(text)(np.array(0.7)).shape == ()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not an expression"),
        ("exp(-x", "not an expression"),
        ("x = 3", "not an expression"),
        ("lambda: 3", "not allowed"),
        ("__import__('os').system('true')", "not allowed"),
        ("x.real", "not allowed"),
        ("x[0]", "not allowed"),
        ("'x' * 3", "not allowed"),
        ("True", "not allowed"),
        ("1j * x", "not allowed"),
        ("[y for y in x]", "not allowed"),
        ("(x := 3)", "not allowed"),
        ("x if x == 1 else 2", "not allowed"),
        ("exp(*x)", "not allowed"),
        ("max(x, b=2)", "not allowed"),
        ("y + 1", "name is not known"),
        ("exp", "needs an argument"),
        ("open(x)", "function is not known"),
        ("tanhh(x)", "Did you mean 'tanh'"),
        ("max(x)", "takes 2 arguments"),
        ("x ** x", "power must be a plain number"),
        ("x ** 65", "power must be a plain number"),
        ("9**9**9**9", "power must be a plain number"),
        ("1" + "0" * 350, "too large"),
        ("x" + " + x" * 150, "too long|too large"),
        ("x" * 1000, "too long"),
        ("x\x00", "not an expression"),
    ],
)
def test_what_is_no_expression(text: str, says: str) -> None:
    with pytest.raises(CosimError, match=says) as caught:
        parse_expression(text)
    assert caught.value.key == "function"


@settings(deadline=None, max_examples=200)
@given(st.text(alphabet="x0123456789.+-*/(), " + "".join(sorted(set("".join(KNOWN)))), max_size=40))
def test_no_text_does_anything_else(text: str) -> None:
    """Any text is either a function of x, or one clear error."""
    try:
        function = parse_expression(text)
    except CosimError:
        return
    assert function(np.linspace(-1, 1, 5)).shape == (5,)


# --- tables


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_a_table_is_followed_through_its_points(tmp_path: Path) -> None:
    x = np.linspace(-4, 4, 41)
    rows = "\n".join(f"{a!r},{b!r}" for a, b in zip(x.tolist(), special.expit(x).tolist(), strict=True))
    path = write(tmp_path / "sigmoid.csv", f"# measured\nX, Y\n{rows}\n")
    config = RampAdcConfig(function=f"table: {path}")
    function, exact = config.activation, get_function("sigmoid", (-4.0, 4.0))
    assert (function.low, function.high) == pytest.approx((exact.low, exact.high), rel=1e-12)
    np.testing.assert_allclose(function.value(x), special.expit(x), rtol=1e-12)
    # Cubic pieces: the error goes with the fourth power of the spacing, 0.2; seen 2e-4 LSB of 5 bits.
    moved = np.abs(staircase(function, 5).thresholds - staircase(exact, 5).thresholds)
    assert (moved / lsb_at_thresholds(exact, 5)).max() < 2e-2
    # The points travel with the configuration, and the file is not looked at again.
    path.unlink()
    again = RampAdcConfig(**config.model_dump(mode="json"))
    assert again == config and again.activation.value(x)[3] == function.value(x)[3]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("# nothing\n\n", "is empty"),
        ("x,y\n", "too few"),
        ("x,y\n1,2\n", "too few"),
        ("x;y\n1;2\n2;3\n", "columns of this table are not x and y"),
        ("v,i\n1,2\n2,3\n", "value \\['v', 'i'\\]: the columns.*Allowed: x,y"),
        ("x,y\n1,2\n2,nan\n", "line 3.*not a finite number"),
        ("x,y\n1,2\n2,inf\n", "line 3.*not a finite number"),
        ("x,y\n1,2\n\n2,three\n", "line 4.*not a number"),
        ("x,y\n1,2\n2\n", "line 3.*two numbers"),
        ("x,y\n1,2,3\n2,3,4\n", "line 2.*two numbers"),
        ("x,y\n1,2\n1,3\n", "line 3.*x must rise.*above 1"),
        ("x,y\n2,2\n1,3\n", "line 3.*x must rise"),
        ("x,y\n1,2\n2,2\n", "constant"),
        ("x,y\n" + "".join(f"{n},{n}\n" for n in range(1030)), "too many"),
    ],
)
def test_what_is_no_table(tmp_path: Path, text: str, says: str) -> None:
    path = write(tmp_path / "bad.csv", text)
    with pytest.raises(CosimError, match=says):
        RampAdcConfig(function=f"table: {path}")


def test_a_table_that_is_not_text(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_bytes(b"x,y\n\xff\xfe\n")
    with pytest.raises(CosimError, match="cannot read this table"):
        read_points(tmp_path / "bad.csv")
    with pytest.raises(CosimError, match="does not reach so far"):
        RampAdcConfig(
            function=f"table: {write(tmp_path / 'a.csv', 'x,y' + chr(10) + '0,0' + chr(10) + '1,1')}", x_range=(-1, 1)
        )


# --- names and ranges


def test_names_and_ranges_that_are_refused() -> None:
    for bad in ((1.0, -1.0), (0.0, 0.0), (0.0, np.inf), (np.nan, 1.0)):
        with pytest.raises(CosimError, match="no range"):
            get_function("sigmoid", bad)
    with pytest.raises(CosimError, match="constant"):
        get_function("relu", (-3.0, -1.0))
    with pytest.raises(CosimError, match="crosses the levels of the code too often"):
        staircase(get_function("expr: sin(50*x)", (-20.0, 20.0)), 5)
    with pytest.raises(CosimError, match="points of this table are not given"):
        get_function("table: a.csv")


def test_a_range_replaces_the_functions_own() -> None:
    relu = get_function("relu", (-2.0, 6.0))
    assert (relu.low, relu.high) == (0.0, 6.0)
    np.testing.assert_allclose(staircase(relu, 4).thresholds, 6.0 * np.arange(1, 16) / 16, rtol=1e-12)


@pytest.mark.parametrize("edge", [4e30, 1e300])
def test_thresholds_are_found_in_however_wide_a_range(edge: float) -> None:
    stairs = staircase(get_function("expr: tanh(x)", (-edge, edge)), 3)
    # Levels of a code from -1 to 1 are multiples of 1/4, whatever the range of the inputs.
    assert len(stairs.thresholds) == 7
    np.testing.assert_allclose(np.sort(stairs.thresholds), np.arctanh(np.arange(-3, 4) / 4), rtol=1e-9, atol=1e-9)
