"""A study's folder: what the study is, and one file for each finished point.

    study.toml        the study as it was when it began
    manifest.json     its hash, the hashes of models, weights and device, the version of cosim
    points/           KEY.safetensors, one a finished point
    claims            which point is being worked on: a lock on one byte each
    results.nc, results.csv, results.parquet

A point's file is written whole or not at all, is named after all that it depends on, and carries a sha256 over its
content. A lock on a byte of `claims` is the system's: it is gone when the process that holds it is gone, however that
ended. So several processes, on several machines of one file system, may work on a folder. Where a file system has no
locks, two may do the same point, and the second to finish writes the same file again.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import math
import os
import secrets
import struct
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim import __version__
from cosim.errors import CosimError
from cosim.files import sha256_of, write_atomically
from cosim.provenance import canonical_json, provenance, sha256_of_json
from cosim.studies.evaluation import Outcome

SCHEMA = "cosim.point/1"
MANIFEST = "cosim.study_folder/1"
ENTRY = "cosim"  # in the metadata of a point's file
LONGEST_HEADER = 1 << 24  # [bytes]; a longer one is damage


@dataclass(frozen=True)
class Summary:
    """What the head of a point's file says, without its scores.

    Attributes
    ----------
    values: dotted name -> value of the point.
    figures: name -> number (NaN where it is none): mean score, standard errors, loss, measures.
    """

    key: str
    metric: str
    values: Mapping[str, Any]
    figures: Mapping[str, float]
    not_finite: int
    warnings: Mapping[str, int]
    seconds: float
    failure: str | None


class StudyFolder:
    """The folder of a study. `open_folder` makes it."""

    def __init__(self, path: Path, manifest: Mapping[str, Any]) -> None:
        self.path = path
        self.manifest = manifest
        self._claims: int | None = None
        self._has_locks = True

    @property
    def points(self) -> Path:
        return self.path / "points"

    def file_of(self, key: str) -> Path:
        """Where the result of a point is, or will be."""
        return self.points / f"{key[:40]}.safetensors"

    def finished(self) -> set[str]:
        """The names of all points that have a file, cut to their first 40 digits."""
        with contextlib.suppress(FileNotFoundError):
            return {name.removesuffix(".safetensors") for name in os.listdir(self.points) if name[0] != "."}
        return set()

    def has(self, key: str) -> bool:
        return self.file_of(key).exists()

    # ---- claims ------------------------------------------------------------------------------------------------------

    def claim(self, key: str) -> bool:
        """Take a point for this process; False where another process has it."""
        if not self._has_locks:
            return True
        if self._claims is None:
            self._claims = os.open(self.path / "claims", os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.lockf(self._claims, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _place(key))
        except BlockingIOError:
            return False
        except OSError as error:
            warnings.warn(
                f"the file system of {self.path} has no locks ({error.strerror}): two processes may do the same point",
                stacklevel=2,
            )
            self._has_locks = False
        return True

    def release(self, key: str) -> None:
        """Give a claimed point free."""
        if self._claims is not None and self._has_locks:
            with contextlib.suppress(OSError):
                fcntl.lockf(self._claims, fcntl.LOCK_UN, 1, _place(key))

    def close(self) -> None:
        """Give all claimed points free."""
        if self._claims is not None:
            os.close(self._claims)
            self._claims = None

    # ---- points ------------------------------------------------------------------------------------------------------

    def keep(self, outcome: Outcome, values: Mapping[str, Any], figures: Mapping[str, float]) -> Path:
        """Write a point's result; CosimError where it cannot be written."""
        content = packed(outcome, values, figures)
        return write_atomically(self.file_of(outcome.key), lambda part: _write_through(part, content))

    def summary(self, key: str) -> Summary | None:
        """The head of a point's file; None where there is none. CosimError for a damaged one."""
        path = self.file_of(key)
        try:
            with open(path, "rb") as stream:
                head = _head(stream.read(4096), stream.read, path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise CosimError(f"cannot read this point: {error.strerror or error}", file=path) from error
        return _summary_of(head)

    def outcome(self, key: str) -> Outcome:
        """A point's result, whole, its checksum looked at. CosimError for a missing or damaged file."""
        path = self.file_of(key)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise CosimError(f"cannot read this point: {error.strerror or error}", file=path) from error
        return unpacked(content, path)

    def sound(self, key: str) -> bool:
        """Whether a point's file is there and whole; a damaged one is put aside, with a warning."""
        path = self.file_of(key)
        if not path.exists():
            return False
        try:
            self.outcome(key)
        except CosimError as error:
            aside = path.with_suffix(".damaged")
            os.replace(path, aside)
            warnings.warn(f"{error}; it was put aside as {aside.name} and is done again", stacklevel=2)
            return False
        return True


def _place(key: str) -> int:
    """The byte of `claims` that stands for a point: 52 bits of its name, which two points share once in 10^8 studies
    of 10^4 points, and then only wait for each other."""
    return int(key[:13], 16)


def _write_through(path: Path, content: bytes) -> None:
    """To the disk, so that a name never stands for content that a power failure has lost."""
    with open(path, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


# ---- the file of a point ---------------------------------------------------------------------------------------------


def packed(outcome: Outcome, values: Mapping[str, Any], figures: Mapping[str, float]) -> bytes:
    """A point's file: the arrays as safetensors, the rest in its metadata, with a sha256 over both."""
    from safetensors.numpy import save

    arrays: dict[str, NDArray] = {"losses": outcome.losses, "weights": outcome.weights}
    if outcome.metric == "accuracy":
        arrays["right"] = np.packbits(outcome.scores.astype(bool), axis=-1)
    else:
        arrays["scores"] = outcome.scores
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    head = {
        "schema": SCHEMA,
        "key": outcome.key,
        "metric": outcome.metric,
        "shape": list(outcome.scores.shape),
        "values": values,
        "figures": {name: _number(value) for name, value in figures.items()},
        "measures": {name: _number(value) for name, value in outcome.measures.items()},
        "not_finite": outcome.not_finite,
        "warnings": dict(outcome.warnings),
        "seconds": _number(outcome.seconds),
        "failure": outcome.failure,
        "cosim_version": __version__,
        "arrays_sha256": _hash_of(arrays),
    }
    head["sha256"] = sha256_of_json(head)
    return bytes(save(arrays, metadata={ENTRY: canonical_json(head)}))


def unpacked(content: bytes, path: Path) -> Outcome:
    """What `packed` was given; CosimError for anything else."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    rest = iter([content[4096:]])
    head = _head(content[:4096], lambda _count: next(rest, b""), path)
    try:
        arrays = load(content)
    except (SafetensorError, ValueError) as error:
        raise CosimError(f"this point's file is damaged: {error}", file=path) from error
    if _hash_of(arrays) != head["arrays_sha256"]:
        raise CosimError("this point's file is damaged: its arrays have another sha256 than it states", file=path)
    chips, reads, samples = head["shape"]
    if "right" in arrays:
        scores = np.unpackbits(arrays["right"], axis=-1, count=samples).reshape(chips, reads, samples).astype(float)
    else:
        scores = arrays["scores"]
    return Outcome(
        key=head["key"],
        metric=head["metric"],
        scores=scores,
        weights=arrays["weights"],
        losses=arrays["losses"],
        measures={name: _nan(value) for name, value in head["measures"].items()},
        not_finite=head["not_finite"],
        warnings=head["warnings"],
        seconds=_nan(head["seconds"]),
        failure=head["failure"],
    )


def _head(start: bytes, more: Any, path: Path) -> dict[str, Any]:
    """The metadata of a point's file, checked; `start` are its first bytes, `more(count)` gives the following ones."""
    try:
        (length,) = struct.unpack("<Q", start[:8])
        if length > LONGEST_HEADER:
            raise ValueError("its header has no end")
        text = start[8 : 8 + length]
        if len(text) < length:
            text += more(length - len(text))[: length - len(text)]
        head: dict[str, Any] = json.loads(json.loads(text)["__metadata__"][ENTRY])
        stated = head.pop("sha256")
        if head["schema"] != SCHEMA:
            raise ValueError(f"its schema is {head['schema']!r}")
        if sha256_of_json(head) != stated:
            raise ValueError("its header has another sha256 than it states")
    except (ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
        raise CosimError(f"this point's file is damaged: {error}", file=path) from error
    return head


def _summary_of(head: Mapping[str, Any]) -> Summary:
    figures = {**head["figures"], **head["measures"]}
    return Summary(
        key=head["key"],
        metric=head["metric"],
        values=head["values"],
        figures={name: _nan(value) for name, value in figures.items()},
        not_finite=head["not_finite"],
        warnings=head["warnings"],
        seconds=_nan(head["seconds"]),
        failure=head["failure"],
    )


def _hash_of(arrays: Mapping[str, NDArray]) -> str:
    stated = {name: [str(array.dtype), list(array.shape), sha256_of(array.tobytes())] for name, array in arrays.items()}
    return sha256_of_json(stated)


def _number(value: float) -> float | None:
    """As JSON holds it, which has no NaN."""
    return float(value) if math.isfinite(value) else None


def _nan(value: float | None) -> float:
    return math.nan if value is None else value


# ---- the folder ------------------------------------------------------------------------------------------------------


def open_folder(path: Path, *, text: str, sha256: str, sources: Mapping[str, str]) -> StudyFolder:
    """The folder of a study, begun now or earlier.

    Parameters
    ----------
    text: the study's file. sha256: of the study, see `Specification.sha256`.
    sources: hashes of what its results depend on.

    Raises CosimError when the folder cannot be written, was begun with another study or another cosim, or a source has
    changed since; the message states both hashes.
    """
    from cosim.studies.sources import check_sources

    manifest_path = path / "manifest.json"
    stated = {"schema": MANIFEST, "study_sha256": sha256, "sources": dict(sources), **provenance()}
    if not manifest_path.exists():
        try:
            (path / "points").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CosimError(f"cannot write here: {error.strerror or error}", file=path) from error
        _begin(manifest_path, json.dumps(stated, indent=1) + "\n")
    folder = read_folder(path)
    begun = folder.manifest
    if begun["study_sha256"] != sha256:
        raise CosimError(
            f"this folder belongs to another study (its sha256 is {begun['study_sha256']}, this one's {sha256}; the"
            f" old file is {path / 'study.toml'}); name another folder with --output",
            file=path,
        )
    if begun["cosim_version"] != __version__:
        raise CosimError(
            f"this study was begun with cosim {begun['cosim_version']}, and this is {__version__}; name another folder"
            " with --output",
            file=path,
        )
    check_sources(sources, begun["sources"])
    if not (path / "study.toml").exists():
        write_atomically(path / "study.toml", lambda part: part.write_text(text, encoding="utf-8"))
    return folder


def _begin(manifest: Path, text: str) -> None:
    """Write a manifest where none is: of two processes that begin at once one does, and the other reads it then."""
    draft = manifest.with_name(f".manifest.{secrets.token_hex(8)}.json")
    write_atomically(draft, lambda part: part.write_text(text, encoding="utf-8"))
    try:
        os.link(draft, manifest)
    except FileExistsError:
        pass
    except OSError:  # a file system without hard links: the later of the two counts
        os.replace(draft, manifest)
    finally:
        draft.unlink(missing_ok=True)


def read_folder(path: Path) -> StudyFolder:
    """A study's folder as it is; CosimError where it is none. Nothing is written."""
    file = path / "manifest.json"
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CosimError("this is no folder of a study: it has no manifest.json", file=path) from error
    except (OSError, ValueError) as error:
        raise CosimError(f"cannot read this study's manifest: {error}", file=file) from error
    if not isinstance(manifest, dict) or manifest.get("schema") != MANIFEST:
        raise CosimError("not the manifest of a study", file=file, allowed=MANIFEST)
    return StudyFolder(path, manifest)


def summaries(folder: StudyFolder, keys: list[str]) -> Iterator[Summary | None]:
    """The heads of many points, in their order; None where a point is not finished."""
    there = folder.finished()
    for key in keys:
        yield folder.summary(key) if key[:40] in there else None
