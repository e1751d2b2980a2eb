"""PyTorch, where it is installed."""

from __future__ import annotations

from cosim.errors import CosimError


def require_torch() -> None:
    """CosimError with the cure when PyTorch is not installed."""
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise CosimError("training needs PyTorch, which is not here; the cure: pip install 'cosim[train]'") from error
