import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from types import ModuleType

import pytest

from cosim.blocks import registry
from cosim.errors import CosimError


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, EntryPoint]]:
    """The entry points of other distributions, for the test to fill."""
    points: dict[str, EntryPoint] = {}
    monkeypatch.setattr(registry, "_installed", lambda: points)
    yield points


def offer(points: dict[str, EntryPoint], monkeypatch: pytest.MonkeyPatch, name: str, **attributes: object) -> None:
    """Install a block as another distribution would."""
    module = ModuleType(f"other_{name}")
    module.__dict__.update(attributes)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    points[name] = EntryPoint(name, module.__name__, registry.ENTRY_POINT_GROUP)


COMPLETE = {name: name for name in (*registry._CONSTANTS, *registry._CALLABLES)} | {
    "SWEEPS": {"v_read": "V"},
    "FIGURES": {},
}


@pytest.mark.parametrize("name", list(registry.BUILT_IN))
def test_every_block_of_cosim_offers_all_that_is_asked(name: str) -> None:
    block = registry.get_block(name)
    assert name == block.NAME
    assert block.SWEEPS and all(isinstance(text, str) for text in block.SWEEPS.values())
    assert block.FIGURES and all(isinstance(text, str) for text in block.FIGURES.values())


def test_the_list_is_for_machines_and_does_not_start_a_simulator() -> None:
    code = (
        "import json, sys; from cosim.blocks.registry import list_blocks; print(json.dumps(list_blocks()));"
        "sys.exit(any(name in sys.modules for name in ('PySpice', 'matplotlib', 'torch')))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr or done.stdout
    assert '"name": "ramp_adc"' in done.stdout
    assert '"name": "crossbar"' in done.stdout


def test_an_unknown_block_is_answered_with_the_nearest_and_the_list() -> None:
    with pytest.raises(CosimError) as caught:
        registry.get_block("ramp-adc")
    assert str(caught.value).startswith("value 'ramp-adc': unknown block. Did you mean 'ramp_adc'? Allowed: ")
    assert caught.value.exit_code == 2


def test_a_block_of_another_distribution_is_found(
    installed: dict[str, EntryPoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(installed, monkeypatch, "sar", **COMPLETE)
    assert registry.get_block("sar").NAME == "NAME"
    assert registry.block_names() == [*registry.BUILT_IN, "sar"]
    assert registry.list_blocks()[-1] == {
        "name": "sar", "description": "DESCRIPTION", "sweeps": {"v_read": "V"}, "figures": {}, "settings": {},
    }  # fmt: skip


def test_a_block_that_lacks_something_is_named_with_what_it_lacks(
    installed: dict[str, EntryPoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(installed, monkeypatch, "sar", **{name: part for name, part in COMPLETE.items() if name != "characterise"})
    with pytest.raises(CosimError, match="this block lacks: characterise"):
        registry.get_block("sar")
    offer(installed, monkeypatch, "sar", **{name: part for name, part in COMPLETE.items() if name != "SWEEPS"})
    assert registry.list_blocks()[-1] == {"name": "sar", "error": "value 'sar': this block lacks: SWEEPS"}


def test_a_block_that_cannot_be_imported_does_not_stop_the_list(installed: dict[str, EntryPoint]) -> None:
    installed["broken"] = EntryPoint("broken", "no_such_module_anywhere", registry.ENTRY_POINT_GROUP)
    with pytest.raises(CosimError, match="cannot be imported from no_such_module_anywhere"):
        registry.get_block("broken")
    assert [block["name"] for block in registry.list_blocks()] == [*registry.BUILT_IN, "broken"]
