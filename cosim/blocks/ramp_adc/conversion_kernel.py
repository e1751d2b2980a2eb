"""The kernel of `conversion`: codes of a batch, a block of lanes after another."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils

from cosim.blocks.lanes import LANES, SINGLE, WORD, Lanes, Memory, constant, counted, everywhere, ir_index, operation
from cosim.blocks.normals import ELEMENTS, normals_at
from cosim.compiled import compiled

BLOCK = 2 * LANES  # a vector for each of the two normal variates that come together
SEARCHED = 16  # lanes of a search: its thresholds in the registers of AVX-512 or AVX2
FINISHED = 8  # thresholds of a MAC result that are compared at once, the last ones
DEGREE = 7  # of the polynomial of the ramp's noise


@operation
def _store_counts(
    typing: Any, mac: Any, at: Any, thresholds: Any, base: Any, depth: Any, steps: Any, counts: Any, to: Any
) -> Any:
    """2^steps times how many of 2^depth - 1 sorted thresholds lie below each of `SEARCHED` MAC results.

    All thresholds of the lanes are loaded, and the half that still counts is selected after each comparison: loads and
    selections of whole registers cost less than jumps or gathers.
    """
    halvings = depth.literal_value

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        x = Memory(context, builder, signature.args[0], arguments[0]).load(arguments[1], lanes=SEARCHED)
        table = Memory(context, builder, signature.args[2], arguments[2])
        to = Memory(context, builder, signature.args[6], arguments[6])
        left = [table.load(arguments[3], SEARCHED * number, SEARCHED) for number in range(2**halvings - 1)]
        count, none = (constant(builder, to.kind, 0, SEARCHED) for _ in range(2))
        for level in reversed(range(halvings)):
            half = len(left) // 2
            below = left[half] < x
            count = count | below.select(constant(builder, to.kind, 1 << level, SEARCHED), none)
            left = [below.select(left[half + 1 + j], left[j]) for j in range(half)]
        if to.kind == WORD:
            shift = everywhere(builder, builder.trunc(arguments[5], WORD), SEARCHED)
            count = Lanes(builder, builder.shl(count.value, shift.value))
        to.store(count, arguments[7])
        return context.get_dummy_value()

    return types.void(mac, types.intp, thresholds, types.intp, depth, types.intp, counts, types.intp), build


@operation
def _store_shifted(
    typing: Any, mac: Any, at: Any, variance: Any, variance_at: Any, added: Any, own: Any, common: Any, lane: Any,
    ramp: Any, key: Any, pair: Any, out: Any,
) -> Any:  # fmt: skip
    """x' of 2 LANES MAC results mac[at] ..., to the start of `out`; the equation of this module.

    added: literal 1 where s_mac^2 is to be added, 0 where there is none. `own` and `common` from `lane` on: s_own^2, or
    s_own where nothing is added, and z_2 of each lane's row; `ramp`: see `_noise_polynomial`.
    """
    with_reads = bool(added.literal_value)

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        x, s_mac, s_own, z_2, _, out = (
            Memory(context, builder, signature.args[n], arguments[n]) for n in (0, 2, 5, 6, 8, 11)
        )
        place = context.make_array(signature.args[8])(context, builder, value=arguments[8]).data

        def number(n: int) -> Lanes:
            return everywhere(builder, builder.load(builder.gep(place, [ir_index(builder, arguments[1], n)])))

        z_1 = normals_at(context, builder, signature.args[9], arguments[9], ir.Constant(ir.IntType(64), ELEMENTS),
                         arguments[10])  # fmt: skip
        for half in range(2):
            further = half * LANES
            mac = x.load(arguments[1], further)
            sigma = s_own.load(arguments[7], further)
            if with_reads:
                sigma = (sigma + s_mac.load(arguments[3], further)).root()
            u = mac.real(SINGLE).times_plus(number(0), number(1)).at_least(-1.0).at_most(1.0)
            shared = number(2 + DEGREE)
            for n in reversed(range(2, 2 + DEGREE)):
                shared = u.times_plus(shared, number(n))
            shift = z_1[half].times_plus(sigma, shared * z_2.load(arguments[7], further))
            out.store(mac + shift.real(x.kind), ir.Constant(arguments[1].type, 0), further)
        return context.get_dummy_value()

    return types.void(
        mac, types.intp, variance, types.intp, added, own, common, types.intp, ramp, key, types.int64, out
    ), build


@operation
def _halve(typing: Any, mac: Any, at: Any, fine: Any, base: Any, width: Any, step: Any, counts: Any, to: Any) -> Any:
    """One more comparison of each of `LANES` MAC results: `step` more thresholds lie below it, or none of these.

    Thresholds fine[base + lane width + count].
    """

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        mac, table, counts = (Memory(context, builder, signature.args[n], arguments[n]) for n in (0, 2, 6))
        count = counts.load(arguments[7])
        width, step = (everywhere(builder, builder.trunc(arguments[n], WORD)) for n in (4, 5))
        threshold = table.gather(arguments[3], counted(builder) * width + count + step - 1)
        below = threshold < mac.load(arguments[1])
        counts.store(below.select(count + step, count), arguments[7])
        return context.get_dummy_value()

    return types.void(mac, types.intp, fine, types.intp, types.intp, types.intp, counts, types.intp), build


@operation
def _finish(typing: Any, mac: Any, at: Any, fine: Any, base: Any, width: Any, counts: Any, to: Any, left: Any) -> Any:
    """The last 2^left comparisons of each of `LANES` MAC results; counts of all thresholds below them.

    Of one MAC result the thresholds fine[base + lane width + count] ... lie side by side, so they are compared at once.
    The last of them is known not to be below it.
    """
    together = 2**left.literal_value

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        mac, table, counts = (Memory(context, builder, signature.args[n], arguments[n]) for n in (0, 2, 5))
        few, index = ir.IntType(together), arguments[3].type
        population = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(ir.IntType(8), [ir.IntType(8)]), "llvm.ctpop.i8"
        )
        begin = arguments[3]
        for lane in range(LANES):
            place = builder.gep(counts.data, [builder.add(arguments[6], ir.Constant(arguments[6].type, lane))])
            count = builder.load(place)
            x = builder.load(builder.gep(mac.data, [builder.add(arguments[1], ir.Constant(arguments[1].type, lane))]))
            thresholds = table.load(builder.add(begin, builder.sext(count, index)), lanes=together)
            below = builder.bitcast((thresholds < everywhere(builder, x, together)).value, few)
            below = below if together == 8 else builder.zext(below, ir.IntType(8))
            more = builder.zext(builder.call(population, [below]), WORD)
            builder.store(builder.add(count, more), place)
            begin = builder.add(begin, arguments[4])
        return context.get_dummy_value()

    return types.void(mac, types.intp, fine, types.intp, types.intp, counts, types.intp, left), build


@operation
def _copy(typing: Any, source: Any, at: Any, target: Any, to: Any) -> Any:
    """`LANES` numbers of one array to another, integers to fewer bits."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        numbers = Memory(context, builder, signature.args[0], arguments[0]).load(arguments[1])
        memory = Memory(context, builder, signature.args[2], arguments[2])
        memory.store(numbers.integer(memory.kind), arguments[3])
        return context.get_dummy_value()

    return types.void(source, types.intp, target, types.intp), build


@compiled()
def convert_kernel(
    mac: Any, noisy: bool, variance: Any, own: Any, ramp: Any, shared: Any, key: Any, group: int, columns: int,
    together: int, coarse: Any, fine: Any, depth: int, steps: int, codes_of: Any, out: Any,
) -> None:  # fmt: skip
    """Codes `out` of MAC results, both (batch x columns,), `together` of them side by side.

    noisy: whether there is noise: `variance` like `mac`, or empty; `own`: s_own^2 of each lane, or s_own where there
    are no variances; `shared`: z_2 of each row, or empty; `group`: number of the first group of rows that stand side
    by side. coarse, fine, depth, steps: `Converter._blocks`. codes_of: code of each lane and count, or empty where the
    count is the code.
    """
    few, values = np.zeros(BLOCK, dtype=mac.dtype), np.zeros(BLOCK, dtype=mac.dtype)
    few_variances, counts = np.zeros(BLOCK, dtype=np.float32), np.zeros(BLOCK, dtype=np.int32)
    common = np.zeros(own.shape[0], dtype=np.float32)
    coarse_size, width = SEARCHED * ((1 << depth) - 1), 1 << (depth + steps)
    pairs, batch = own.shape[0] // 2, mac.shape[0]
    direct, coded = steps == 0 and codes_of.shape[0] == 0, codes_of.shape[0] > 0
    for start in range(0, batch, together):
        stop = min(start + together, batch)
        if shared.shape[0]:
            for row in range(start // columns, stop // columns):
                for n in range(row * columns - start, (row + 1) * columns - start):
                    common[n] = shared[row]
        for at in range(start, stop, BLOCK):
            lane, whole = at - start, stop - at >= BLOCK
            base = lane // SEARCHED * coarse_size
            if not whole:
                for n in range(stop - at):
                    few[n] = mac[at + n]
            if noisy:
                pair = group * pairs + lane // 2
                if variance.shape[0] and whole:
                    _store_shifted(mac, at, variance, at, 1, own, common, lane, ramp, key, pair, values)
                elif variance.shape[0]:
                    for n in range(stop - at):
                        few_variances[n] = variance[at + n]
                    _store_shifted(few, 0, few_variances, 0, 1, own, common, lane, ramp, key, pair, values)
                elif whole:
                    _store_shifted(mac, at, few_variances, 0, 0, own, common, lane, ramp, key, pair, values)
                else:
                    _store_shifted(few, 0, few_variances, 0, 0, own, common, lane, ramp, key, pair, values)
            elif not whole:
                for n in range(BLOCK):
                    values[n] = few[n]
            if whole and direct and not noisy:
                for part in range(BLOCK // SEARCHED):
                    to, table = at + part * SEARCHED, base + part * coarse_size
                    if depth == 3:
                        _store_counts(mac, to, coarse, table, 3, steps, out, to)
                    elif depth == 4:
                        _store_counts(mac, to, coarse, table, 4, steps, out, to)
                    else:
                        _store_counts(mac, to, coarse, table, 5, steps, out, to)
                continue
            if whole and not noisy:
                _copy(mac, at, values, 0)
                _copy(mac, at + LANES, values, LANES)
            if whole and direct:
                for part in range(BLOCK // SEARCHED):
                    to, table = part * SEARCHED, base + part * coarse_size
                    if depth == 3:
                        _store_counts(values, to, coarse, table, 3, steps, out, at + to)
                    elif depth == 4:
                        _store_counts(values, to, coarse, table, 4, steps, out, at + to)
                    else:
                        _store_counts(values, to, coarse, table, 5, steps, out, at + to)
                continue
            for part in range(BLOCK // SEARCHED):
                to, table = part * SEARCHED, base + part * coarse_size
                if depth == 3:
                    _store_counts(values, to, coarse, table, 3, steps, counts, to)
                elif depth == 4:
                    _store_counts(values, to, coarse, table, 4, steps, counts, to)
                else:
                    _store_counts(values, to, coarse, table, 5, steps, counts, to)
            if steps:
                step = 1 << steps
                while step > FINISHED:
                    step >>= 1
                    _halve(values, 0, fine, lane * width, width, step, counts, 0)
                    _halve(values, LANES, fine, (lane + LANES) * width, width, step, counts, LANES)
                if step == 8:
                    _finish(values, 0, fine, lane * width, width, counts, 0, 3)
                    _finish(values, LANES, fine, (lane + LANES) * width, width, counts, LANES, 3)
                elif step == 4:
                    _finish(values, 0, fine, lane * width, width, counts, 0, 2)
                    _finish(values, LANES, fine, (lane + LANES) * width, width, counts, LANES, 2)
                else:
                    _finish(values, 0, fine, lane * width, width, counts, 0, 1)
                    _finish(values, LANES, fine, (lane + LANES) * width, width, counts, LANES, 1)
            if whole and not coded:
                _copy(counts, 0, out, at)
                _copy(counts, LANES, out, at + LANES)
            elif coded:
                for n in range(min(BLOCK, stop - at)):
                    out[at + n] = codes_of[lane + n, counts[n]]
            else:
                for n in range(min(BLOCK, stop - at)):
                    out[at + n] = counts[n]
        group += 1
