"""Files that a page carries inside itself, to be saved from it."""

from __future__ import annotations

import base64
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

LARGEST_FILE = 1_000_000  # [bytes] of one file
LARGEST_ARCHIVE = 3_000_000  # [bytes] of one archive, packed
LARGEST_ARCHIVES = 8_000_000  # [bytes] of all archives of a page
_BEGINNING = (1980, 1, 1, 0, 0, 0)  # the earliest date that a zip file holds: the same bytes for the same content


@dataclass(frozen=True)
class Download:
    """A file inside the page.

    Attributes
    ----------
    name: that it is saved under. address: a data URL. size: [bytes].
    left_out: names of the files of an archive that had no room.
    """

    name: str
    address: str
    size: int
    left_out: tuple[str, ...] = ()


def download(name: str, content: bytes, kind: str = "application/octet-stream") -> Download | None:
    """A file; None where it is too large for a page."""
    if len(content) > LARGEST_FILE:
        return None
    return Download(name, _address(content, kind), len(content))


def archive(name: str, files: Mapping[str, bytes | Path], most: int = LARGEST_ARCHIVE) -> Download:
    """Many files as one zip, in the order of their names, until it is full; a path is read when its turn comes."""
    stream, left_out = io.BytesIO(), []
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
        for each in sorted(files):
            if stream.tell() >= most:
                left_out.append(each)
                continue
            entry = zipfile.ZipInfo(each, _BEGINNING)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            content = files[each]
            packed.writestr(entry, content.read_bytes() if isinstance(content, Path) else content)
    whole = stream.getvalue()
    return Download(name, _address(whole, "application/zip"), len(whole), tuple(left_out))


def _address(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
