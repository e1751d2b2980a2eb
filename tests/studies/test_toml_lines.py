"""Lines of keys: of any way in which TOML lets them be written."""

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cosim.studies.toml_lines import key_lines, line_of

TEXT = '''a = 1
# b = 2
[tile]
adc.bits = 3 # [x
"my key" . b = """
c = 3
[d]
"""
[tile.adc]
v = [1,
 "]", # ]
 2]
w = {a = 1}
\'o.p\' = 4
[[points]]
"tile.adc.bits" = 3
[points.inner]
x = 1
[[points]]
"tile.adc.bits" = 4
'''


def test_every_way_to_write_a_key_is_found() -> None:
    tomllib.loads(TEXT.replace("[tile.adc]", "[other]"))  # it is TOML, but for the table that is opened twice
    assert key_lines(TEXT) == {
        "a": 1, "tile": 3, "tile.adc.bits": 4, "tile.my key.b": 5, "tile.adc": 9, "tile.adc.v": 10, "tile.adc.w": 13,
        "tile.adc.o.p": 14, "points": 15, "points.0": 15, "points.0.tile.adc.bits": 16, "points.0.inner": 17,
        "points.0.inner.x": 18, "points.1": 19, "points.1.tile.adc.bits": 20,
    }  # fmt: skip


def test_a_key_inside_a_value_is_told_by_what_holds_it() -> None:
    lines = key_lines(TEXT)
    assert line_of(lines, "tile.adc.w.a") == 13
    assert line_of(lines, "tile.adc.v.1") == 10
    assert line_of(lines, "nothing.of.this") is None
    assert line_of(lines, None) is None


names = st.text(st.sampled_from("ab-_1"), min_size=1, max_size=3)
values = st.sampled_from(
    ["1", '"#"', "[1, [2]]", '["a]", "b"]', "'''\nx = 1\n'''", '"""\n[t]\n\\""""', "{ k = 1 }", "[\n1,\n]"]
)


@given(st.lists(st.tuples(names, values), max_size=8, unique_by=lambda each: each[0]))
def test_lines_are_those_where_the_keys_were_written(pairs: list[tuple[str, str]]) -> None:
    text, expected = "", {}
    for name, value in pairs:
        expected[name] = text.count("\n") + 1
        text += f"{name} = {value}  # a comment with ' and [\n"
    parsed: dict[str, Any] = tomllib.loads(text)
    assert key_lines(text) == expected
    assert set(parsed) == set(expected)
