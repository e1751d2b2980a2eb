"""The account of a network: every total is its terms' sum, counts in closed form, yardsticks, refusals."""

import math

import numpy as np
import pytest

from cosim.costs.account import network_cost, with_activations
from cosim.costs.config import CostConfig
from cosim.costs.digital import addition_energy, digital_energy, digital_time, multiplication_energy
from cosim.costs.terms import Term
from cosim.costs.tile_energy import setting_of, tile_energy
from cosim.costs.work import (
    DigitalWork,
    LayerWork,
    TileWork,
    cell_update,
    gate_activations,
    processor_passes,
)
from cosim.errors import CosimError
from cosim.tiles.config import TileConfig, conductance_targets
from cosim.validation import validated

HIDDEN, INPUTS, STEPS = 5, 7, 3


def tile(function: str = "sigmoid", name: str = "lstm.i", operations: float = STEPS, **settings: object) -> TileWork:
    adc = {"function": function, **settings.pop("adc", {})}  # type: ignore[dict-item]
    config = TileConfig(inputs=INPUTS, outputs=HIDDEN, adc=adc, **settings)  # type: ignore[arg-type]
    rng = np.random.default_rng(3)
    cells = conductance_targets(rng.uniform(0, 1, (INPUTS, HIDDEN)), config)
    return TileWork(name, config, cells, rng.integers(-15, 16, (10, INPUTS)), operations)


def lstm() -> LayerWork:
    gates = [tile("tanh" if gate == "g" else "sigmoid", f"lstm.{gate}") for gate in "ifgo"]
    return LayerWork(
        "lstm", 4 * INPUTS * HIDDEN * STEPS, STEPS, tuple(gates), cell_update(HIDDEN, STEPS, 16), 500.0, 300.0, 90.0
    )


def check_sums(term: Term) -> None:
    if term.terms:
        assert term.value == math.fsum(each.value for each in term.terms)
    for each in term.terms:
        check_sums(each)


@pytest.mark.parametrize(
    "settings", [{"converter": "nl-ramp"}, {"converter": "ramp"}, {"converter": "sar"},
                 {"converter": "sar", "sar_energy": "circuit"}],
)  # fmt: skip
def test_every_total_is_the_sum_of_its_terms(settings: dict[str, str]) -> None:
    cost = network_cost([lstm()], CostConfig(**settings))  # type: ignore[arg-type]
    for tree in (cost.energy, cost.energy_by_part, cost.latency, cost.area):
        check_sums(tree)
        assert tree.value > 0
        assert all(leaf.how for leaf in tree.leaves())
    assert cost.energy_by_part.value == pytest.approx(cost.energy.value, rel=1e-13)
    figures = cost.figures()
    assert figures["operations"] == 2 * 4 * INPUTS * HIDDEN * STEPS
    assert figures["tops_per_watt"] == pytest.approx(figures["operations"] / cost.energy.value / 1e12, rel=1e-14)
    assert figures["tops_per_mm2"] == pytest.approx(
        figures["operations"] / cost.latency.value / (cost.area.value * 1e6) / 1e12, rel=1e-14
    )


def test_element_wise_work_of_an_lstm_in_closed_form() -> None:
    layer = LayerWork("lstm", 0.0, STEPS, (), cell_update(HIDDEN, STEPS, 16))
    assert layer.count("multiplication") == 3 * HIDDEN * STEPS
    assert layer.count("addition") == HIDDEN * STEPS
    assert layer.count("activation") == HIDDEN * STEPS
    assert gate_activations(HIDDEN, STEPS, 16).count == 4 * HIDDEN * STEPS


def test_the_motivating_example() -> None:
    """512 hidden units: 2560 functions a step, by 32 processors 80 passes of N cycles each."""
    work = [gate_activations(512, 1, 16), *cell_update(512, 1, 16)]
    count = sum(each.count for each in work if each.operation == "activation")
    assert count == 2560
    assert processor_passes(count, 32) == 80
    config = CostConfig(processors=32, cycles=8)
    taken = sum(digital_time(each, 1, config, 45).value for each in work if each.operation == "activation")
    assert taken == pytest.approx(80 * 8 * 1e-9, rel=1e-12)


def test_a_yardstick_leaves_the_gates_to_the_processors() -> None:
    layer = with_activations(lstm(), CostConfig(converter="sar"))
    assert layer.count("activation") == 5 * HIDDEN * STEPS
    assert layer.count("activation", "sigmoid") == 3 * HIDDEN * STEPS
    assert layer.count("activation", "tanh") == HIDDEN * STEPS
    own = with_activations(lstm(), CostConfig())
    assert own.count("activation") == HIDDEN * STEPS


def test_energy_is_in_proportion_to_operations_and_to_the_amplifiers_current() -> None:
    once, twice = tile(operations=1), tile(operations=2)
    assert tile_energy(twice, CostConfig()).value == pytest.approx(2 * tile_energy(once, CostConfig()).value, rel=1e-13)
    current = 1e-6
    with_it = tile_energy(once, CostConfig(amplifier_current=current)).value
    without = tile_energy(once, CostConfig(amplifier_current=0.0)).value
    time = setting_of(once, CostConfig()).times.total
    assert with_it - without == pytest.approx((HIDDEN + 1) * 1.8 * current * time, rel=1e-9)


def test_digital_work_scales_between_nodes_by_the_rule() -> None:
    work = DigitalWork("residual", "addition", 1000, 8)
    config = CostConfig()
    assert digital_energy(work, config, 45).value == pytest.approx(1000 * 0.03e-12, rel=1e-14)
    assert digital_energy(work, config, 180).value == pytest.approx(1000 * 0.03e-12 * 16, rel=1e-14)
    assert addition_energy(12, 45) == pytest.approx(0.04e-12, rel=1e-12)
    assert addition_energy(4, 45) == pytest.approx(0.015e-12, rel=1e-12)
    assert addition_energy(24, 45) == pytest.approx(0.075e-12, rel=1e-12)
    assert addition_energy(64, 45) == pytest.approx(0.2e-12, rel=1e-12)
    assert multiplication_energy(16, 45) == pytest.approx(0.8e-12, rel=1e-12)


def test_latency_of_steps_and_passes() -> None:
    cost = network_cost([lstm()], CostConfig(processors=2, cycles=4, node=45))
    times = setting_of(lstm().tiles[0], CostConfig(processors=2, cycles=4, node=45)).times
    passes = {"multiplication": 8, "addition": 3, "activation": 3 * 4}  # of 15, 5 and 5 by two processors
    digital = STEPS * sum(passes.values()) * 1e-9
    slowest = max(setting_of(each, CostConfig(processors=2, cycles=4, node=45)).times.total for each in lstm().tiles)
    assert slowest >= times.total
    assert cost.latency.value == pytest.approx(STEPS * slowest + digital, rel=1e-12)


def test_conversions_of_a_sar_take_turns() -> None:
    def conversion(**settings: object) -> float:
        config = CostConfig(converter="sar", **settings)  # type: ignore[arg-type]
        return setting_of(tile(), config).times.levels

    assert conversion(node=65) == pytest.approx(8 * 6e-9, rel=1e-12)  # 5 bits, eight columns, 1 ns a bit
    assert conversion(node=65, sar_share=1) == pytest.approx(6e-9, rel=1e-12)
    assert conversion(node=130) == pytest.approx(2 * 8 * 6e-9, rel=1e-12)
    assert conversion(sar_energy="circuit") == pytest.approx(8 * 7 * 20e-9, rel=1e-12)


def test_the_own_sar_by_its_parts() -> None:
    energy = tile_energy(tile(operations=1), CostConfig(converter="sar", sar_energy="circuit"))
    parts = {leaf.name: leaf.value for term in energy.terms if term.name == "SAR ADCs" for leaf in term.terms}
    assert set(parts) == {"references", "comparators", "bias generator", "logic"}
    # c_unit V_ref^2 sum 2^(b - 2 i) (2^i - 1) of 5 bits at 10 fF and 0.54 V
    mean = sum(2.0 ** (5 - 2 * i) * (2**i - 1) for i in range(1, 6)) * 10e-15 * 0.54**2
    assert parts["references"] == pytest.approx(HIDDEN * mean, rel=1e-9)
    assert parts["bias generator"] == pytest.approx(72e-6 * 8 * 140e-9, rel=1e-3)


def test_more_bits_of_a_ramp_take_twice_the_clocks() -> None:
    five = network_cost([LayerWork("a", 1, 1, (tile(adc={"bits": 5}),))])
    six = network_cost([LayerWork("a", 1, 1, (tile(adc={"bits": 6}),))])
    conversion = [
        next(leaf.value for leaf in cost.latency.leaves() if leaf.name == "conversion") for cost in (five, six)
    ]
    assert conversion[1] / conversion[0] == pytest.approx(63 / 31, rel=1e-12)


def test_a_tile_with_a_correction_column_and_padding() -> None:
    work = tile("linear", signs="offset", array_inputs=10, array_outputs=8)
    assert work.cells.shape == (10, 9) and work.converted == HIDDEN + 1
    for converter in ("nl-ramp", "sar"):
        assert tile_energy(work, CostConfig(converter=converter)).value > 0  # type: ignore[arg-type]


def test_amplitude_inputs_take_a_dac() -> None:
    energy = tile_energy(tile(input_mode="amplitude"), CostConfig())
    gates = next(leaf for leaf in energy.leaves() if leaf.name == "gates")
    assert gates.value > 0 and "dac_capacitive" in gates.source


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"processors": 0}, "processors"),
        ({"cycles": 0}, "cycles"),
        ({"node": 44}, "node is not known"),
        ({"converter": "flash"}, "converter"),
        ({"sar_share": 0}, "sar_share"),
        ({"procesors": 3}, "processors"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, object], words: str) -> None:
    with pytest.raises(CosimError, match=words):
        validated(CostConfig, settings, from_code=settings)


def test_bad_work_is_refused() -> None:
    with pytest.raises(CosimError, match="nothing to account"):
        network_cost([])
    with pytest.raises(CosimError, match="do not fit the tile"):
        TileWork("t", TileConfig(inputs=2, outputs=2), np.ones((4, 3)), np.ones((1, 2), dtype=np.int64), 1)
    with pytest.raises(CosimError, match="do not fit the tile"):
        TileWork("t", TileConfig(inputs=2, outputs=2), np.ones((4, 2)), np.ones((0, 2), dtype=np.int64), 1)
    with pytest.raises(CosimError, match="counted from zero"):
        DigitalWork("bias", "addition", -1, 8)
    with pytest.raises(CosimError, match="processor"):
        processor_passes(10, 0)
    other = tile(adc={"process": "generic65"})
    with pytest.raises(CosimError, match="one process"):
        network_cost([LayerWork("a", 1, 1, (tile(),)), LayerWork("b", 1, 1, (other,))])
