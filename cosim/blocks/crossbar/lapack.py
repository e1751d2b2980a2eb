"""BLAS and LAPACK for compiled kernels: scipy's own routines by their addresses, so that no call holds Python's lock.

scipy's Python wrappers of these routines keep the lock while they compute, so tiles would wait for one another in
threads. Their addresses are public (`scipy.linalg.cython_blas`, `cython_lapack`), and a kernel that is given them as
plain numbers can be cached on disk, which one with a foreign function in it cannot.

All matrices are in C order and square or fully contiguous. To these routines, which take columns first, a matrix in C
order is its transpose: its lower triangle is their upper one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import scipy.linalg.cython_blas
import scipy.linalg.cython_lapack  # noqa: F401  (loads the library that is to be held to one thread)
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import get_cython_function_address, intrinsic
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

from cosim.compiled import compiled

Array = NDArray[np.float64]

ROUTINES = np.array(
    [
        get_cython_function_address("scipy.linalg.cython_lapack", "dpotrf"),
        get_cython_function_address("scipy.linalg.cython_blas", "dtrsm"),
        get_cython_function_address("scipy.linalg.cython_blas", "dsyrk"),
    ],
    dtype=np.int64,
)
"""Addresses that the kernels of this module take: `dpotrf`, `dtrsm`, `dsyrk`. Good for this process only."""

_blas = ThreadpoolController()


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold BLAS to one thread: at the sizes of an array's blocks a second one costs more than it brings.

    The limit is that of the process, and threadpoolctl (from 3.8) heeds the first thread of a process that sets one;
    from others this does nothing, so that they cannot undo each other's. Work that goes to threads enters here before
    it starts them.
    """
    with _blas.limit(limits=1, user_api="blas"):
        yield


def _calling(typingctx: Any, function: Any, pointers: Any) -> Any:
    """Code that calls the routine at the address `function` with `pointers`, a tuple of addresses."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address, packed = arguments
        each = cgutils.unpack_tuple(builder, packed)
        kind = ir.FunctionType(ir.VoidType(), [ir.IntType(64)] * len(each))
        builder.call(builder.inttoptr(address, kind.as_pointer()), each)
        return context.get_dummy_value()

    return types.void(types.int64, pointers), generate


_call: Any = intrinsic(_calling)


@compiled()
def cholesky(matrix: Array, routines: NDArray[np.int64]) -> bool:
    """The lower triangle of `matrix` (n, n), which alone is read, becomes L with L L^T = matrix; False: it has none."""
    integers = np.array([len(matrix), 0], dtype=np.int32)
    letters = np.array([ord("U")], dtype=np.uint8)
    size, failed = integers.ctypes.data, integers.ctypes.data + 4
    _call(routines[0], (letters.ctypes.data, size, matrix.ctypes.data, size, failed))
    return bool(integers[1] == 0)


@compiled()
def solve_lower(factor: Array, right: Array, routines: NDArray[np.int64]) -> None:
    """`right` (n, m) becomes L^-1 right, L the lower triangle of `factor` (n, n)."""
    integers = np.array(right.shape, dtype=np.int32)
    letters = np.array([ord("R"), ord("U"), ord("N")], dtype=np.uint8)
    one = np.ones(1)
    side, upper, plain = letters.ctypes.data, letters.ctypes.data + 1, letters.ctypes.data + 2
    rows, columns = integers.ctypes.data, integers.ctypes.data + 4
    _call(
        routines[1],
        (
            side,
            upper,
            plain,
            plain,
            columns,
            rows,
            one.ctypes.data,
            factor.ctypes.data,
            rows,
            right.ctypes.data,
            columns,
        ),
    )


@compiled()
def add_gram(part: Array, total: Array, routines: NDArray[np.int64]) -> None:
    """The lower triangle of `total` (m, m) becomes total + part^T part; `part` of shape (n, m)."""
    integers = np.array(part.shape, dtype=np.int32)
    letters = np.array([ord("U"), ord("N")], dtype=np.uint8)
    one = np.ones(1)
    upper, plain = letters.ctypes.data, letters.ctypes.data + 1
    depth, size = integers.ctypes.data, integers.ctypes.data + 4
    scale = one.ctypes.data
    _call(
        routines[2],
        (upper, plain, size, depth, scale, part.ctypes.data, size, scale, total.ctypes.data, size),
    )
