"""Where data sets lie and where they come from: COSIM_DATA first, then the cache, then the official address."""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from cosim.errors import CosimError


@dataclass(frozen=True)
class Source:
    """A data set's files.

    Attributes
    ----------
    name: of the data set, as in `cosim data fetch NAME`.
    folder: where its files are below COSIM_DATA; the layout is that of the official archive.
    url: the official archive.
    checksum: of the archive, as pooch writes it ("md5:...", "sha256:..."), or None where none is published that we
        are certain of; the loader then relies on counts, sizes and shapes.
    checksum_from: who publishes it.
    megabytes: size of the archive, about.
    archive_folder: the folder inside the archive that becomes `folder`.
    inner: an archive inside the archive that holds the files, or "".
    licence: as stated by its authors.
    """

    name: str
    folder: str
    url: str
    checksum: str | None
    checksum_from: str
    megabytes: int
    archive_folder: str
    licence: str
    inner: str = ""


def data_folders() -> list[Path]:
    """The folders that are looked into, in their order: COSIM_DATA where it is set, then `data` in the cache."""
    chosen = os.environ.get("COSIM_DATA")
    return [*([Path(chosen).expanduser()] if chosen else []), cached_data()]


def cached_data() -> Path:
    """Where downloads are kept: below COSIM_CACHE, else the user's cache folder."""
    cache = os.environ.get("COSIM_CACHE")
    if cache:
        return Path(cache).expanduser() / "data"
    import platformdirs

    return platformdirs.user_cache_path("cosim") / "data"


def present(source: Source) -> Path | None:
    """The data set's folder where it is on this machine, else None. Nothing in it is checked."""
    for place in data_folders():
        if (place / source.folder).is_dir():
            return place / source.folder
    return None


def locate(source: Source) -> Path:
    """The data set's folder; downloaded where it is not on this machine."""
    return present(source) or fetch(source)


def fetch(source: Source) -> Path:
    """Download and unpack the official archive into the cache, unless it is there; returns the data set's folder.

    Raises CosimError when it cannot be had, or when its checksum is wrong.
    """
    import pooch

    place = cached_data()
    target = place / source.folder
    if target.is_dir():
        return target
    try:
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place, prefix=f".{source.name}.") as work:
            archive = pooch.retrieve(source.url, source.checksum, fname="archive", path=work, progressbar=False)
            _unpack(Path(archive), Path(work) / "files", source)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(Path(work) / "files" / source.archive_folder, target)
    except (OSError, ValueError, tarfile.TarError, zipfile.BadZipFile) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CosimError(
            f"cannot fetch the data set '{source.name}' from {source.url}: {reason}. Where you have its files,"
            f" set COSIM_DATA to the folder that holds '{source.folder}'"
        ) from error
    return target


def _unpack(archive: Path, target: Path, source: Source) -> None:
    """The archive's files into `target`; tar and zip, and a zip within a zip."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(target)
    else:
        with tarfile.open(archive) as packed:
            packed.extractall(target, filter="data")
    if source.inner:
        with zipfile.ZipFile(target / source.inner) as packed:
            packed.extractall(target)
    if not (target / source.archive_folder).is_dir():
        raise ValueError(f"the archive holds no folder '{source.archive_folder}'")
