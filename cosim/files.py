"""Files written whole or not at all, and their hashes."""

import hashlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from cosim.errors import CosimError


def write_atomically(path: str | Path, writer: Callable[[Path], object]) -> Path:
    """Write a file whole: `writer` fills a temporary file beside it, which then takes the name `path`.

    Whatever goes wrong, `path` holds what it held before and no temporary file stays. Missing folders are
    made. The temporary file has the suffix of `path`, for writers that go by it. Returns `path`.

    Raises CosimError when the folder cannot be written or the disk is full; other errors of `writer` pass
    through.
    """
    target = Path(os.path.realpath(path))
    if os.path.isdir(target):
        raise CosimError("cannot write here: this is a folder", file=path)
    temporary = target.with_name(f".{target.stem[:100]}.{secrets.token_hex(8)}{target.suffix}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch(exist_ok=False)
        writer(temporary)
        os.replace(temporary, target)
    except OSError as error:
        raise CosimError(f"cannot write this file: {error.strerror or error}", file=path) from error
    finally:
        if os.path.lexists(temporary):
            temporary.unlink(missing_ok=True)
    return Path(path)


def sha256_of(source: bytes | str | Path) -> str:
    """sha256 of bytes, or of a file's content when `source` is a path, in hexadecimal."""
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest()
    try:
        with open(source, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise CosimError(f"cannot read this file: {error.strerror or error}", file=source) from error
