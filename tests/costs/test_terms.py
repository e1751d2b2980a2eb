"""Every total is the sum of its terms, as floats and as printed."""

import math
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosim.costs.terms import DIGITS, PrintedTerm, Term, apportioned, lines_of, printed, scaled, total

LEAVES = st.builds(Term, st.just("leaf"), st.floats(0, 1e3).map(lambda value: value * 1e-12))
TREES = st.recursive(
    LEAVES, lambda terms: st.builds(total, st.just("total"), st.lists(terms, min_size=1, max_size=5)), max_leaves=40
)


@settings(deadline=None, max_examples=40)
@given(TREES)
def test_a_total_is_the_rounded_sum_of_its_terms(tree: Term) -> None:
    if tree.terms:
        assert tree.value == math.fsum(term.value for term in tree.terms)
    # fsum rounds once a level: half a unit in the last place each
    assert tree.value == pytest.approx(math.fsum(leaf.value for leaf in tree.leaves()), rel=1e-14, abs=0)


@settings(deadline=None, max_examples=40)
@given(TREES)
def test_printed_totals_are_exactly_the_sums_of_printed_terms(tree: Term) -> None:
    shown = printed(tree, "J")

    def check(term: PrintedTerm) -> None:
        if term.terms:
            assert Decimal(shown.text(term.ticks)) == sum(Decimal(shown.text(each.ticks)) for each in term.terms)
        for each in term.terms:
            check(each)

    check(shown.root)
    prefix = {"a": -18, "f": -15, "p": -12, "n": -9, "µ": -6, "m": -3, "": 0}[shown.unit[:-1]]
    place = 10.0 ** (prefix - shown.decimals)

    def compare(term: PrintedTerm, exact: Term, level: int) -> None:
        allowed = (0.5 + 1.5 * level) * place * (1 + 1e-6) + 1e-15 * exact.value
        assert abs(float(shown.text(term.ticks)) * 10.0**prefix - exact.value) <= allowed
        for below, other in zip(term.terms, exact.terms, strict=True):
            compare(below, other, level + 1)

    compare(shown.root, tree, 0)


def test_what_rounding_leaves_goes_where_it_moves_least() -> None:
    assert apportioned(10, [3.3, 3.3, 3.4]) == [3, 3, 4]
    assert apportioned(2, [0.5, 0.4, 0.9]) == [1, 0, 1]
    assert apportioned(7, [1.0, 1.0]) == [4, 3]  # a total that its terms do not make is made by all alike
    assert apportioned(0, []) == []


def test_lines_hold_amount_unit_share_and_derivation() -> None:
    tree = total("both", [Term("one", 1.5e-9, "3 x 0.5 nJ", "own"), Term("other", 0.5e-9)])
    lines = lines_of(printed(tree, "J"))
    assert [line.split() for line in lines] == [
        ["2.000000", "nJ", "100.00%", "both"],
        ["1.500000", "nJ", "75.00%", "one", "[3", "x", "0.5", "nJ;", "own]"],
        ["0.500000", "nJ", "25.00%", "other"],
    ]
    assert len(lines_of(printed(tree, "J"), depth=0)) == 1
    assert len(lines[0].split()[0].replace(".", "")) == DIGITS


def test_areas_are_printed_in_squares() -> None:
    assert lines_of(printed(Term("tile", 0.52e-6), "m²"))[0].split()[:2] == ["0.5200000", "mm²"]
    assert lines_of(printed(Term("cell", 2.5e-12), "m²"))[0].split()[:2] == ["2.500000", "µm²"]


def test_terms_of_nothing_are_left_out_and_scaling_keeps_the_tree() -> None:
    tree = total("both", [Term("one", 2.0), Term("none", 0.0)])
    assert [term.name for term in tree.terms] == ["one"]
    assert scaled(tree, 3.0).value == 6.0
    assert total("empty", []).value == 0.0
