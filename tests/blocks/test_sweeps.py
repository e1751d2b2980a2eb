"""`SWEEPS` are the keyword-only arguments of `characterise` by name, which the command line sets."""

import inspect

import pytest

from cosim.blocks.registry import get_block


@pytest.mark.parametrize("name", ["comparator", "sar_adc", "integrator", "dac", "sample_hold"])
def test_sweeps_are_the_arguments_of_characterise(name: str) -> None:
    block = get_block(name)
    parameters = inspect.signature(block.characterise).parameters.values()
    own = {each.name for each in parameters if each.kind is each.KEYWORD_ONLY} - {"seed", "pool", "show_progress"}
    assert set(block.SWEEPS) == own
