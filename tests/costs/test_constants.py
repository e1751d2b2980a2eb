"""Constants carry unit, node and source; scaling between nodes is the stated rule."""

from pathlib import Path

import pytest

from cosim.blocks.integrator.config import IntegratorConfig
from cosim.costs.config import CostConfig
from cosim.costs.constants import constant, constants
from cosim.costs.scaling import NODES, SUPPLIES, factor, nearest_node
from cosim.errors import CosimError


def test_every_constant_says_where_it_comes_from() -> None:
    for each in constants().values():
        assert each.source and each.description and each.unit
        assert each.origin in ("literature", "memory", "own", "computed")
        assert each.node in NODES


def test_stated_values_are_read_in_si_units() -> None:
    assert constant("add_8").value == 0.03e-12
    assert constant("flip_flop_area").value == pytest.approx(4.522e-12, rel=1e-12)
    assert constant("capacitor_density").value == pytest.approx(2e-3, rel=1e-12)  # 2 fF/um^2 = 2e-3 F/m^2


@pytest.mark.parametrize("kind", ["energy", "delay", "area", "plain"])
@pytest.mark.parametrize("node", NODES)
def test_at_the_same_node_nothing_changes(kind: str, node: int) -> None:
    assert factor(kind, node, node) == 1.0  # type: ignore[arg-type]
    for each in constants().values():
        assert each.at(each.node) == each.value


def test_the_rule_in_closed_form() -> None:
    assert factor("energy", 45, 180) == pytest.approx(4 * (1.8 / 0.9) ** 2, rel=1e-15)
    assert factor("delay", 45, 180) == 4.0
    assert factor("area", 45, 180) == 16.0
    # There and back, and by way of a third node.
    for kind in ("energy", "delay", "area"):
        assert factor(kind, 65, 14) * factor(kind, 14, 65) == pytest.approx(1.0, rel=1e-15)  # type: ignore[arg-type]
        by_way = factor(kind, 180, 45) * factor(kind, 45, 7)  # type: ignore[arg-type]
        assert by_way == pytest.approx(factor(kind, 180, 7), rel=1e-15)  # type: ignore[arg-type]
    assert factor("energy", 45, 45, v_wanted=2 * SUPPLIES[45]) == pytest.approx(4.0, rel=1e-15)


def test_processes_have_nodes() -> None:
    assert nearest_node(0.18e-6) == 180
    assert nearest_node(0.06e-6) == 65
    assert CostConfig().node_of("generic180") == 180
    assert CostConfig().node_of("generic65") == 65
    assert CostConfig(node=22).node_of("generic180") == 22


def test_unknown_names_and_nodes_are_refused() -> None:
    with pytest.raises(CosimError, match="node is not known"):
        factor("energy", 45, 44)
    with pytest.raises(CosimError, match="Did you mean 'add_8'"):
        constant("add_9")
    with pytest.raises(CosimError, match="state it"):
        CostConfig().of_process("amplifier_current", "my_process")
    assert CostConfig(amplifier_current=1e-6).of_process("amplifier_current", "my_process")[0] == 1e-6


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "constants.toml"
    file.write_text('schema = "other"\n')
    with pytest.raises(CosimError, match="not a file of cost constants"):
        constants(file)
    file.write_text('schema = "cosim.costs/1"\n[a]\nvalue = "1 pJ"\nnode = 45\nkind = "energy"\n')
    with pytest.raises(CosimError, match="source"):
        constants(file)


@pytest.mark.parametrize(("process", "volts"), [("generic180", 1.8), ("generic65", 1.2)])
def test_the_amplifiers_current_is_that_of_the_macro_and_of_the_integrators_model(process: str, volts: float) -> None:
    value = constant(f"amplifier_current_{process}").value
    assert IntegratorConfig(process=process).v_dd == volts
    if process == "generic180":
        from cosim.blocks.macro.config import AMPLIFIER_CURRENT
        from cosim.blocks.recipes import shipped_model

        assert value == AMPLIFIER_CURRENT
        model = shipped_model("integrator_ota_two_stage")
        rest = model.value("e_0") / (model.config.t_clock * model.config.v_dd)
        assert value == pytest.approx(rest, rel=0.01)  # the model's energy of a clock period, charges aside
