"""Energy and time of digital parts: adders, multipliers, activation processors, counters, buffers."""

from __future__ import annotations

from cosim.costs.config import CostConfig
from cosim.costs.constants import constant, counted, shown
from cosim.costs.terms import Term, total
from cosim.costs.work import DigitalWork, LayerWork, Operation, processor_passes
from cosim.errors import CosimError

BUFFERS = "buffers"
NAMES: dict[str, str] = {
    "addition": "additions", "multiplication": "multiplications", "activation": "activations",
    "comparison": "comparisons",
}  # fmt: skip


def addition_energy(bits: int, node: int) -> float:
    """Of an integer addition [J]: linear between the stated widths of 8, 16 and 32 bits, in proportion outside."""
    stated = [(8, "add_8"), (16, "add_16"), (32, "add_32")]
    values = [(width, constant(name).at(node)) for width, name in stated]
    if bits <= 8:
        return values[0][1] * bits / 8
    if bits >= 32:
        return values[2][1] * bits / 32
    (low, e_low), (high, e_high) = (values[0], values[1]) if bits <= 16 else (values[1], values[2])
    return e_low + (e_high - e_low) * (bits - low) / (high - low)


def multiplication_energy(bits: int, node: int, other: int | None = None) -> float:
    """Of an integer multiplication [J], in proportion to the product of both widths."""
    return constant("multiply_8").at(node) * bits * (bits if other is None else other) / 64


def cycle_energy(bits: int, node: int) -> float:
    """Of a processor's cycle in a digital activation [J]: multiply-adds."""
    return constant("cycle_logic").value * (multiplication_energy(bits, node) + addition_energy(bits, node))


def operation_energy_of(operation: Operation, bits: int, node: int, cycles: int) -> float:
    """Energy of one element-wise operation [J]; a comparison (ReLU, a maximum) is a subtraction."""
    if operation in ("addition", "comparison"):
        return addition_energy(bits, node)
    if operation == "multiplication":
        return multiplication_energy(bits, node)
    if operation == "activation":
        return cycles * cycle_energy(bits, node)
    raise CosimError("no such digital operation", value=operation, allowed=NAMES)


def cycles_of(operation: Operation, cycles: int) -> int:
    """Cycles of a processor for one operation."""
    return cycles if operation == "activation" else 1


def digital_energy(work: DigitalWork, config: CostConfig, node: int) -> Term:
    """A leaf: count times energy."""
    each = operation_energy_of(work.operation, work.bits, node, config.cycles)
    what = f"{NAMES[work.operation]} of {work.bits} bits"
    source = constant("add_8").told(node) if work.operation in ("addition", "comparison") else (
        constant("multiply_8").told(node)
    )  # fmt: skip
    if work.operation == "activation":
        what = f"{what}, N = {config.cycles} cycles each,"
    return counted(f"{work.purpose}: {NAMES[work.operation]}", work.count, what, each, "J", source)


def digital_time(work: DigitalWork, steps: float, config: CostConfig, node: int) -> Term:
    """A leaf: passes of all processors, in each step anew, times cycles times clock period.

    Work that comes once for several steps counts as one step's.
    """
    period = constant("digital_period").at(node)
    turns = max(steps, 1.0)
    each = work.count / turns
    passes = processor_passes(each, config.processors)
    cycles = cycles_of(work.operation, config.cycles)
    how = (
        f"{turns:.10g} steps x ceil({each:.10g} / k = {config.processors}) = {passes} passes x {cycles} cycles"
        f" x {shown(period, 's')}"
    )
    value = turns * passes * cycles * period
    return Term(f"{work.purpose}: {NAMES[work.operation]}", value, how, constant("digital_period").told(node))


def buffer_energy(layer: LayerWork, node: int) -> Term:
    """Bits from and to the buffers."""
    bit = constant("sram_bit")
    terms = [
        counted(name, count, "bits", bit.at(node), "J", bit.told(node))
        for name, count in (("reads", layer.read), ("writes", layer.written))
    ]
    return total(BUFFERS, terms)


def counter_energy(thresholds: int, bits: int, columns: int, operations: float, node: int) -> Term:
    """A counter of `bits` for all columns, clocked once a threshold, and the latch of each column."""
    flip_flop = constant("flip_flop")
    value, told = flip_flop.at(node), flip_flop.told(node)
    shared = counted("counter", operations * thresholds * bits, "clocked bits", value, "J", told)
    latches = counted("latches", operations * columns * bits, "bits", value, "J", told)
    return total("counters", [shared, latches], f"{thresholds} clocks of one counter, a latch a column")
