"""Where decks are simulated: on this machine, on a Dask scheduler that is there, or on a cluster that is asked for."""

from __future__ import annotations

import logging
import multiprocessing
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from cosim.errors import CosimError
from cosim.spice.library import Simulator, probe
from cosim.spice.pool import SimulatorPool
from cosim.spice.slurm import read_options, slurm_cluster
from cosim.workers import NO_MAIN_GUARD

if TYPE_CHECKING:
    from distributed import Client
    from distributed.deploy import Cluster

SCHEDULERS = ("tcp://HOST:PORT", "tls://HOST:PORT", "slurm", "slurm:FILE.toml", "local:WORKERS")
ANSWERS_WITHIN = 10.0  # [s], a Dask scheduler
MOST_DEATHS = 1  # of workers with a deck in hand; at the next one it is tried alone (only clusters of our own)
EXTRA = "pip install cosim[cluster]"


def open_pool(
    workers: int | None = None,
    *,
    scheduler: str | None = None,
    use_cache: bool = True,
    timeout: float = 600.0,
) -> SimulatorPool:
    """A pool of simulators, to be used as a context manager; the results do not depend on where it works.

    Parameters
    ----------
    workers: decks at once. None: all cores of this machine, all threads of a Dask scheduler's workers, or what the
        SLURM options ask for.
    scheduler: None for processes on this machine; "tcp://HOST:PORT" (or "tls://...", with Dask's own configuration
        of certificates) for a Dask scheduler; "slurm:FILE.toml" or "slurm" for jobs of this pool's own, see
        `cosim.spice.slurm`; "local:WORKERS" for a Dask cluster on this machine.
    use_cache, timeout: see `SimulatorPool`.

    Raises CosimError when there is no such scheduler, it does not answer, or the extra `cluster` is not installed.
    """
    if scheduler is None:
        return SimulatorPool(workers, use_cache=use_cache, timeout=timeout)
    _start_of(scheduler, workers)
    _check_installed()
    _check_main()
    simulator = probe()
    client, closers = open_client(scheduler, workers)
    try:
        from cosim.spice.cluster import ClusterPool

        _check_workers(client, scheduler, simulator)
        return ClusterPool(
            client, scheduler, limit=workers, use_cache=use_cache, timeout=timeout, simulator=simulator, closers=closers
        )
    except BaseException:
        for closer in (client.close, *closers):
            closer()
        raise


def open_client(scheduler: str, workers: int | None = None) -> tuple[Client, tuple[Callable[[], object], ...]]:
    """A client of a Dask scheduler, and what else is to be closed after it: a cluster that was started for it.

    scheduler, workers: as in `open_pool`. Raises CosimError as that does.
    """
    start = _start_of(scheduler, workers)
    _check_installed()
    _check_main()
    if start is None:
        return _connected(scheduler, scheduler), ()
    import dask

    with dask.config.set({"distributed.scheduler.allowed-failures": MOST_DEATHS}):
        cluster = start()
    try:
        return _connected(cluster, scheduler), (cluster.close,)
    except BaseException:
        cluster.close()
        raise


def _start_of(scheduler: str, workers: int | None) -> Callable[[], Cluster] | None:
    """What starts the cluster of that name; None for a scheduler that is there. CosimError for no such name."""
    if workers is not None and workers < 1:
        raise CosimError("at least one worker is needed", key="workers", value=workers, allowed="1 or more")
    kind, _, rest = scheduler.partition(":")
    if kind == "local" and rest.isdigit() and int(rest) > 0:
        return partial(_local_cluster, workers or int(rest))
    if scheduler == "slurm" or (kind == "slurm" and rest):
        return partial(slurm_cluster, read_options(rest) if rest else None, workers)
    if not (kind in ("tcp", "tls") and rest.startswith("//") and len(rest) > 2):
        raise CosimError("there is no such scheduler", key="scheduler", value=scheduler, allowed=SCHEDULERS)
    return None


def _connected(target: str | Cluster, place: str) -> Client:
    from distributed import Client

    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # it tells with a traceback what we tell too
    try:
        return Client(target, timeout=ANSWERS_WITHIN, set_as_default=False, name="cosim")
    except (OSError, ValueError) as error:
        raise CosimError(f"no Dask scheduler answers here ({error})", key="scheduler", value=place) from error


def _check_workers(client: Client, place: str, simulator: Simulator) -> None:
    """Refuse workers with another ngspice before anything is simulated; later ones are found out by their decks."""
    from cosim.spice.cluster import cannot_run, check_here, identity

    try:
        client.run(check_here, identity(simulator))
    except CosimError:
        raise
    except Exception as error:  # of a worker without cosim Dask makes a plain Exception
        raise cannot_run(error, place) from error


def _local_cluster(workers: int) -> Cluster:
    from distributed import LocalCluster

    try:
        cluster = LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            memory_limit=0,  # what needs memory is ngspice, in a process that Dask does not count
            silence_logs=logging.CRITICAL,
        )
        # Dask gives up a nanny whose new worker takes 15 s to come, which on a busy machine it may.
        cluster.adapt(minimum=workers, maximum=workers)
        return cluster
    except RuntimeError as error:
        raise CosimError(f"the Dask workers did not start ({error}); {NO_MAIN_GUARD}") from error


def _check_installed() -> None:
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        raise CosimError(f"Dask is not installed ({error.name}); type: {EXTRA}") from error


def _check_main() -> None:
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise SystemExit(1)  # a worker that is importing a script that opens pools as it is imported
