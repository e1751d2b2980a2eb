"""What every block's fitted model has, and the plain class for a model that is no more than that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

from cosim.blocks.dataset import config_of
from cosim.blocks.model import Domain, ModelError, ModelFile, Parameter, load_model_file, save_model
from cosim.errors import CosimError

C = TypeVar("C", bound=BaseModel)


@dataclass(frozen=True, kw_only=True)
class FittedModel:
    """A frozen model: parameters with intervals, error of every quantity on points that the fit did not see.

    A block's model derives from it, states `BLOCK` and `CONFIG`, and adds what it predicts.

    Attributes
    ----------
    config: what was characterised.
    form: the name of the candidate that was fitted (`FORMS` of the block).
    parameters: name -> fitted value with its confidence interval.
    error: of the quantity that counts most. errors: of every quantity.
    domain: ranges of the fit; leaving one warns, and is counted.
    settings: what else the model needs, as JSON holds it.
    provenance: of its data set.
    """

    BLOCK: ClassVar[str]
    CONFIG: ClassVar[type[BaseModel]]

    config: Any
    form: str
    parameters: Mapping[str, Parameter]
    error: ModelError
    errors: Mapping[str, ModelError]
    domain: Domain
    settings: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def value(self, name: str) -> float:
        """A parameter that is one number."""
        number = self.parameters[name].value
        if isinstance(number, tuple):
            raise CosimError("this parameter is no single number", key=f"parameters.{name}")
        return float(number)

    def array(self, name: str) -> NDArray[np.float64]:
        """A parameter as an array of its shape."""
        return np.asarray(self.parameters[name].value, dtype=np.float64)

    def save(self, path: str | Path) -> ModelFile:
        """Write the model's JSON file."""
        return save_model(
            path,
            block=self.BLOCK,
            form=self.form,
            parameters=self.parameters,
            settings={"config": self.config.model_dump(mode="json"), **self.settings},
            error=self.error,
            errors=self.errors,
            domain=self.domain.limits,
            provenance=self.provenance,
        )

    @classmethod
    def load(cls, path: str | Path, accept: bool = False) -> Self:
        """Read a model file; see `cosim.blocks.model.load_model_file` for what is refused."""
        file = load_model_file(path, cls.BLOCK, accept)
        settings = dict(file.settings)
        try:
            config = cls.CONFIG(**settings.pop("config"))
        except (KeyError, TypeError, ValidationError) as error:
            raise CosimError("the model's configuration is not that of its block", file=path, key="settings") from error
        return cls(
            config=config,
            form=file.form,
            parameters=file.parameters,
            error=file.error,
            errors=file.errors,
            domain=file.fitted_domain(),
            settings=settings,
            provenance=file.provenance,
        )


def stored_config(data: xr.Dataset, kind: type[C]) -> C:
    """The configuration of the block that the data set was made with, without what else the data set notes there."""
    return kind(**{key: value for key, value in config_of(data).items() if key in kind.model_fields})


def refuse_failed(failed: int, total: int, what: str, allow_failed: bool) -> None:
    """CosimError when points failed, which a fit without them may be biased by, unless the user allows it.

    Failed points are seldom a fair sample: what does not converge lies at the extremes.
    """
    if failed and not allow_failed:
        raise CosimError(
            f"{failed} of {total} {what} of this data set failed; a fit without them may be biased"
            " (--allow-failed fits the rest)"
        )


def chosen_form(form: str | None, forms: Mapping[str, str]) -> str:
    """The form that is asked for, the first one when none is; CosimError for one that the block does not have."""
    if form is None:
        return next(iter(forms))
    if form not in forms:
        raise CosimError("the block's model has no such form", key="--form", value=form, allowed=list(forms))
    return form
