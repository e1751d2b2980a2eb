"""Agreement of codes against a count by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosim.tiles.agreement import Agreement, agreement

CODES = st.integers(0, 255)


def test_by_hand() -> None:
    a, b = np.array([[0, 5, 9], [31, 2, 2]]), np.array([[0, 6, 7], [0, 2, 1]])
    assert agreement(a, b) == Agreement(conversions=6, equal=2 / 6, within_one=4 / 6, largest=31)


@settings(deadline=None)
@given(st.lists(st.tuples(CODES, CODES), min_size=1, max_size=50))
def test_unsigned_codes_do_not_wrap(pairs: list[tuple[int, int]]) -> None:
    a, b = np.array(pairs, dtype=np.uint8).T
    found = agreement(a, b)
    assert found.largest == max(abs(x - y) for x, y in pairs)
    assert found.equal == sum(x == y for x, y in pairs) / len(pairs)
    assert found.within_one == sum(abs(x - y) <= 1 for x, y in pairs) / len(pairs)
    assert agreement(b, a) == found


@pytest.mark.parametrize(("a", "b"), [((2, 3), (3, 2)), ((0,), (0,)), ((4,), (4, 1))])
def test_codes_that_cannot_be_compared(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="cannot be compared"):
        agreement(np.zeros(a, dtype=int), np.zeros(b, dtype=int))
