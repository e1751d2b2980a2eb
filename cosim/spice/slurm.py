"""Jobs of a SLURM cluster as Dask workers, through dask-jobqueue (extra `cluster`).

Options stand in a TOML file, `--scheduler slurm:FILE.toml`:

    queue = "batch"          # partition
    account = "project"      # if the site wants one
    cores = 16               # of one job; so many decks at once
    memory = "32 GB"         # of one job
    walltime = "4 hours"     # of one job; decks that it cuts off go to other jobs
    jobs = 4                 # asked for at once
    interface = "ib0"        # network interface that the compute nodes see, if it is not the default
    python = "/opt/cosim/bin/python"      # on the compute nodes, if it is not this one
    prologue = ["module load ngspice"]    # lines of the job script before the worker starts
    directives = ["--exclusive"]          # more `#SBATCH` options

Plain `slurm` takes everything from Dask's own configuration (`~/.config/dask/jobqueue.yaml`).
"""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from cosim.errors import CosimError
from cosim.units import parse_quantity
from cosim.validation import read_toml, validated

if TYPE_CHECKING:
    from dask_jobqueue import SLURMCluster


def _quantity_of(unit: str) -> AfterValidator:
    """Checks that a text is a quantity above zero; it is kept as text."""

    def check(text: str) -> str:
        try:
            value = parse_quantity(text, unit)
        except CosimError as error:
            context = {"message": error.message, "allowed": error.allowed}
            raise PydanticCustomError("quantity", "{message}", context) from error
        if value <= 0:
            raise PydanticCustomError("quantity", "{message}", {"message": "out of range", "allowed": "above 0"})
        return text

    return AfterValidator(check)


class SlurmOptions(BaseModel):
    """What to ask SLURM for, see the module; what is None is left to Dask's configuration."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    queue: str | None = None
    account: str | None = None
    cores: int = Field(1, ge=1)
    memory: Annotated[str, _quantity_of("byte")]
    walltime: Annotated[str, _quantity_of("s")] = "1 hour"
    jobs: int = Field(1, ge=1)
    interface: str | None = None
    python: str | None = None
    prologue: tuple[str, ...] = ()
    directives: tuple[str, ...] = ()

    def for_jobqueue(self) -> dict[str, Any]:
        """The arguments of `dask_jobqueue.SLURMCluster`: one Dask worker a job, with a thread for each core."""
        return {
            "queue": self.queue,
            "account": self.account,
            "cores": self.cores,
            "processes": 1,
            "memory": f"{math.ceil(parse_quantity(self.memory, 'byte'))} B",
            "walltime": _clock(parse_quantity(self.walltime, "s")),
            "interface": self.interface,
            "python": self.python,
            "job_script_prologue": list(self.prologue),
            "job_extra_directives": list(self.directives),
        }


def _clock(seconds: float) -> str:
    """SLURM's HH:MM:SS, rounded up to a whole second."""
    whole = math.ceil(seconds)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def read_options(path: str | Path) -> SlurmOptions:
    """The options of a TOML file; CosimError naming file and key when something is wrong."""
    return validated(SlurmOptions, read_toml(path), file=path)


def slurm_cluster(options: SlurmOptions | None, workers: int | None = None) -> SLURMCluster:
    """A Dask cluster whose jobs are submitted now and, while it lives, replaced when they end.

    options: None takes everything from Dask's own configuration.
    workers: decks at once, in as many jobs as that needs; the options' number of jobs when None.

    Raises CosimError where no jobs can be submitted or the configuration lacks something.
    """
    if shutil.which("sbatch") is None:
        raise CosimError("there is no `sbatch` here: jobs can only be submitted on a machine of the SLURM cluster")
    cluster = unsubmitted_cluster(options)
    cores = options.cores if options else int(_configured("cores"))
    jobs = math.ceil(workers / cores) if workers else options.jobs if options else 1
    cluster.adapt(minimum_jobs=jobs, maximum_jobs=jobs)  # and not `scale`, which leaves lost jobs lost
    return cluster


def unsubmitted_cluster(options: SlurmOptions | None) -> SLURMCluster:
    """The cluster without any job yet; its `job_script()` is what a job will run."""
    try:
        from dask_jobqueue import SLURMCluster
    except ImportError as error:
        raise CosimError(f"dask-jobqueue is not installed ({error.name}); type: pip install cosim[cluster]") from error
    if options is None:
        for key in ("cores", "memory"):
            if _configured(key) is None:
                raise CosimError(
                    "Dask's configuration does not say this; write it there, or name a file: slurm:FILE.toml",
                    key=f"jobqueue.slurm.{key}",
                )
    # A status page on any free port: Dask's usual one may be taken, on a login node above all.
    page = {"dashboard_address": ":0", **(_configured("scheduler-options") or {})}
    try:
        return SLURMCluster(scheduler_options=page, **(options.for_jobqueue() if options else {}))
    except (ValueError, TypeError, OSError) as error:
        raise CosimError(f"dask-jobqueue cannot use this configuration: {error}", key="slurm") from error


def _configured(key: str) -> Any:
    import dask

    return dask.config.get(f"jobqueue.slurm.{key}", None)
