"""Arithmetic on vectors of numbers, written out for the compiler.

Numba leaves it to LLVM to find out that a loop may run on vector registers. Where a loop selects, mixes widths of
integers or is short, LLVM does not, or does so behind checks that cost more than the loop. A kernel of this package
therefore builds its inner part from `Lanes`: each operator adds one instruction on a vector to the function that Numba
is compiling. LLVM fits the vectors to the registers there are (AVX-512, AVX2, SSE, NEON); nothing here names one.

`Lanes` exist while a kernel is being compiled, inside the `build` of a Numba intrinsic, and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 32
"""Of a vector in most places: two or more registers, so that two chains of instructions run side by side."""
WORD, SINGLE, DOUBLE, BYTE = ir.IntType(32), ir.FloatType(), ir.DoubleType(), ir.IntType(8)


@dataclass(frozen=True)
class Lanes:
    """A vector: the function that is being built, and LLVM's name of the value."""

    builder: Any
    value: Any

    @property
    def kind(self) -> Any:
        """Type of one lane."""
        return self.value.type.element

    @property
    def lanes(self) -> int:
        return int(self.value.type.count)

    def _with(self, other: Lanes | float) -> Any:
        if isinstance(other, Lanes):
            return other.value
        return constant(self.builder, self.kind, other, self.lanes).value

    def _make(self, value: Any) -> Lanes:
        return Lanes(self.builder, value)

    @property
    def _real(self) -> bool:
        return not isinstance(self.kind, ir.IntType)

    def __add__(self, other: Lanes | float) -> Lanes:
        add = self.builder.fadd if self._real else self.builder.add
        return self._make(add(self.value, self._with(other)))

    def __sub__(self, other: Lanes | float) -> Lanes:
        subtract = self.builder.fsub if self._real else self.builder.sub
        return self._make(subtract(self.value, self._with(other)))

    def __mul__(self, other: Lanes | float) -> Lanes:
        multiply = self.builder.fmul if self._real else self.builder.mul
        return self._make(multiply(self.value, self._with(other)))

    def __truediv__(self, other: Lanes | float) -> Lanes:
        return self._make(self.builder.fdiv(self.value, self._with(other)))

    def __lt__(self, other: Lanes | float) -> Lanes:
        """False where either is NaN."""
        return self._make(self.builder.fcmp_ordered("<", self.value, self._with(other)))

    def __and__(self, other: Lanes | int) -> Lanes:
        return self._make(self.builder.and_(self.value, self._with(other)))

    def __or__(self, other: Lanes | int) -> Lanes:
        return self._make(self.builder.or_(self.value, self._with(other)))

    def __xor__(self, other: Lanes | int) -> Lanes:
        return self._make(self.builder.xor(self.value, self._with(other)))

    def __lshift__(self, bits: int) -> Lanes:
        return self._make(self.builder.shl(self.value, self._with(bits)))

    def __rshift__(self, bits: int) -> Lanes:
        """Keeps the sign."""
        return self._make(self.builder.ashr(self.value, self._with(bits)))

    def logical_right(self, bits: int) -> Lanes:
        """Fills up with zeros."""
        return self._make(self.builder.lshr(self.value, self._with(bits)))

    def rotated(self, bits: int) -> Lanes:
        """Each 32-bit word, `bits` to the left."""
        turn = _llvm(self.builder, "fshl", self.value.type, 3)
        return self._make(self.builder.call(turn, [self.value, self.value, self._with(bits)]))

    def select(self, yes: Lanes, no: Lanes) -> Lanes:
        """`yes` where this is true, else `no`."""
        return self._make(self.builder.select(self.value, yes.value, no.value))

    def is_set(self, bit: int) -> Lanes:
        """Whether that bit of each word is set."""
        return self._make(self.builder.icmp_unsigned("!=", (self & (1 << bit)).value, self._with(0)))

    def times_plus(self, factor: Lanes | float, summand: Lanes | float) -> Lanes:
        """a b + c, rounded once where the processor does so at no cost."""
        add = _llvm(self.builder, "fmuladd", self.value.type, 3)
        return self._make(self.builder.call(add, [self.value, self._with(factor), self._with(summand)]))

    def root(self) -> Lanes:
        return self._make(self.builder.call(_llvm(self.builder, "sqrt", self.value.type, 1), [self.value]))

    def at_least(self, least: float) -> Lanes:
        """`least` where this is below it, or NaN."""
        bound = constant(self.builder, self.kind, least, self.lanes)
        return (bound < self).select(self, bound)

    def at_most(self, most: float) -> Lanes:
        return (self < most).select(self, constant(self.builder, self.kind, most, self.lanes))

    def real(self, kind: Any = SINGLE) -> Lanes:
        """Signed integers, or reals of the other precision, as reals."""
        if self.kind == kind:
            return self
        if not self._real:
            return self._make(self.builder.sitofp(self.value, vector(kind, self.lanes)))
        convert = self.builder.fpext if kind == DOUBLE else self.builder.fptrunc
        return self._make(convert(self.value, vector(kind, self.lanes)))

    def whole(self) -> Lanes:
        """Reals as 32-bit integers, towards zero."""
        return self._make(self.builder.fptosi(self.value, vector(WORD, self.lanes)))

    def integer(self, kind: Any) -> Lanes:
        """Integers in fewer bits, the upper ones cut off."""
        return self if self.kind == kind else self._make(self.builder.trunc(self.value, vector(kind, self.lanes)))

    def bits(self, kind: Any) -> Lanes:
        """The same bits as lanes of another type of the same width."""
        return self._make(self.builder.bitcast(self.value, vector(kind, self.lanes)))


def operation(define: Any) -> Any:
    """A Numba intrinsic: what a kernel calls, `define` without its first argument (the typing context)."""
    return intrinsic(prefer_literal=True)(define)


def vector(kind: Any, lanes: int) -> Any:
    """LLVM's type of so many numbers of a type."""
    return ir.VectorType(kind, lanes)


def constant(builder: Any, kind: Any, number: float, lanes: int = LANES) -> Lanes:
    """The same number in each lane; of reals, the float32 or float64 nearest to it."""
    if kind == SINGLE:
        number = float(np.float32(number))
    return Lanes(builder, ir.Constant(vector(kind, lanes), [number] * lanes))


def counted(builder: Any, lanes: int = LANES) -> Lanes:
    """0, 1, 2 ... as 32-bit words."""
    return Lanes(builder, ir.Constant(vector(WORD, lanes), list(range(lanes))))


def everywhere(builder: Any, scalar: Any, lanes: int = LANES) -> Lanes:
    """A scalar of the running kernel, in each lane."""
    empty = ir.Constant(vector(scalar.type, lanes), ir.Undefined)
    first = builder.insert_element(empty, scalar, ir.Constant(WORD, 0))
    return Lanes(builder, builder.shuffle_vector(first, empty, ir.Constant(vector(WORD, lanes), [0] * lanes)))


def ir_index(builder: Any, like: Any, number: int) -> Any:
    """A constant of the type of another value."""
    return like.type(number)


class Memory:
    """A one-dimensional contiguous array of the running kernel."""

    def __init__(self, context: Any, builder: Any, kind: Any, array: Any) -> None:
        self.builder = builder
        self.kind = context.get_data_type(kind.dtype)
        self.size = kind.dtype.bitwidth // 8
        self.data = context.make_array(kind)(context, builder, value=array).data

    def _place(self, index: Any, further: int, lanes: int) -> Any:
        index = self.builder.add(index, ir.Constant(index.type, further))
        return self.builder.bitcast(self.builder.gep(self.data, [index]), vector(self.kind, lanes).as_pointer())

    def load(self, index: Any, further: int = 0, lanes: int = LANES) -> Lanes:
        """So many numbers from index + further on."""
        return Lanes(self.builder, self.builder.load(self._place(index, further, lanes), align=self.size))

    def gather(self, base: Any, offsets: Lanes) -> Lanes:
        """One number from base + each lane's offset."""
        found = ir.Constant(vector(self.kind, offsets.lanes), ir.Undefined)
        for lane in range(offsets.lanes):
            number = ir.Constant(WORD, lane)
            offset = self.builder.sext(self.builder.extract_element(offsets.value, number), base.type)
            place = self.builder.gep(self.data, [self.builder.add(base, offset)])
            found = self.builder.insert_element(found, self.builder.load(place), number)
        return Lanes(self.builder, found)

    def store(self, values: Lanes, index: Any, further: int = 0) -> None:
        self.builder.store(values.value, self._place(index, further, values.lanes), align=self.size)


def _llvm(builder: Any, name: str, kind: Any, operands: int) -> Any:
    """LLVM's own function of that name on vectors of a type."""
    suffix = {WORD: "i32", SINGLE: "f32", DOUBLE: "f64"}[kind.element]
    function = ir.FunctionType(kind, [kind] * operands)
    return cgutils.get_or_insert_function(builder.module, function, f"llvm.{name}.v{kind.count}{suffix}")
