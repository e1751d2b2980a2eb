"""`cosim export`."""

from __future__ import annotations

import shlex
import sys
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from cosim.blocks.domain import OutsideDomainWarning
from cosim.blocks.exports import LANGUAGES, exporter_of, file_text, languages_of
from cosim.blocks.model import load_model_file
from cosim.blocks.recipes import model_path
from cosim.commands.common import beside, check_writable, out, print_json
from cosim.commands.models import block_model, faults_of_model, stated_block
from cosim.errors import CosimError
from cosim.files import sha256_of, write_atomically


def export(
    model: Path, language: str, output: Path | None, options: Mapping[str, Any], accept: bool, as_json: bool
) -> None:
    """`cosim export MODEL.json --to LANGUAGE`; without `output` the file lies beside the model, with its name.

    That of a shipped model, by its name, lies in the working folder.
    """
    named, model = model, model_path(model)
    if language not in LANGUAGES:
        raise CosimError("there is no such language", key="--to", value=language, allowed=list(LANGUAGES))
    file = load_model_file(model, stated_block(model), accept)
    block, fitted = block_model(file, model, accept)
    write = exporter_of(block, language)
    target = output or beside(named, LANGUAGES[language].suffix)
    if target.resolve() == model.resolve():
        raise CosimError("this would write over the model", file=target, key="--output")
    if any(isinstance(each, str) and Path(each).exists() and target.resolve() == Path(each).resolve()
           for each in options.values()):  # fmt: skip
        raise CosimError("this would write over a file that the export reads", file=target, key="--output")
    check_writable(target)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", OutsideDomainWarning)
        with faults_of_model(model, file.block, options=True):
            exported = write(fitted, options)
    outside = [str(each.message) for each in caught if issubclass(each.category, OutsideDomainWarning)]
    exported = replace(
        exported, notes=(*(f"Outside the domain of the fit: {each}" for each in outside), *exported.notes)
    )
    text = file_text(exported, file, language, source=model.name, command=_command(model, language, options, accept))
    write_atomically(target, lambda part: part.write_text(text, encoding="utf-8"))
    for each in outside:
        print(f"warning: {each}", file=sys.stderr)
    if as_json:
        print_json(
            {"file": str(target), "block": file.block, "language": language, "languages": languages_of(block),
             "warnings": outside, "model_sha256": file.sha256, "sha256": sha256_of(target), "options": dict(options),
             "notes": list(exported.notes)}
        )  # fmt: skip
        return
    for note in exported.notes:
        out.print(note)
    out.print(f"wrote {target}: {LANGUAGES[language].title}")


def _command(model: Path, language: str, options: Mapping[str, Any], accept: bool) -> str:
    """What makes the same file again; names of files only, so that the text does not tell whose machine made it."""
    settings = [part for name, value in options.items() for part in ("--set", f"{name}={_without_folder(value)}")]
    return shlex.join(["cosim", "export", model.name, "--to", language, *settings, *(["--accept"] if accept else [])])


def _without_folder(value: Any) -> Any:
    return Path(value).name if isinstance(value, str) and Path(value).exists() else value
