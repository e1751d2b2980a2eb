"""What the tests of the comparator share."""

import pytest

from cosim.blocks.comparator.config import ComparatorConfig

CLOCKED = ComparatorConfig()
CONTINUOUS = ComparatorConfig(comparator="comparator_two_stage")


@pytest.fixture
def clocked() -> ComparatorConfig:
    """The StrongARM with its defaults."""
    return CLOCKED


@pytest.fixture
def continuous() -> ComparatorConfig:
    """The two-stage comparator with its defaults."""
    return CONTINUOUS
