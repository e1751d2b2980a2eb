"""Penn Treebank in Mikolov's preparation: 10,000 words, or 50 characters; three fixed parts.

Sources: M. Marcus, B. Santorini, M. Marcinkiewicz, Computational Linguistics 19 (1993) 313; T. Mikolov et al.,
"Recurrent neural network based language model", Interspeech 2010, whose "simple-examples" hold these files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from cosim.datasets.parts import Text, checked_part, checksum_of, require_files
from cosim.datasets.sources import Source, locate
from cosim.errors import CosimError

PARTS = ("train", "valid", "test")
LEVELS = {"word": "ptb.{}.txt", "char": "ptb.char.{}.txt"}
# Symbols of each part, the end of each line counted, as in the official files.
COUNTS = {
    "word": {"train": 929_589, "valid": 73_760, "test": 82_430},
    "char": {"train": 5_017_482, "valid": 393_042, "test": 442_423},
}
VOCABULARY = {"word": 10_000, "char": 50}  # with "<eos>"
END = "<eos>"
RULE = "Mikolov's: sections 0-20, 21-22 and 23-24 of the Wall Street Journal"

SOURCE = Source(
    name="ptb",
    folder="simple-examples/data",
    url="http://www.fit.vutbr.cz/~imikolov/rnnlm/simple-examples.tgz",
    checksum=None,
    checksum_from="none is published; counts of symbols and the vocabulary are checked",
    megabytes=35,
    archive_folder="simple-examples/data",
    licence="free for research",
)


def load_ptb(
    part: str = "test", level: Literal["word", "char"] = "word", folder: Path | None = None, *, official: bool = True
) -> Text:
    """One part of the text, as words or as characters.

    The vocabulary is that of the training text, sorted, with "<eos>" first: it stands for the end of each line.

    `folder` holds the files; default: below COSIM_DATA or in the cache, else downloaded. With `official` the count of
    symbols must be that of the official files. Raises CosimError for missing, truncated and foreign files.
    """
    checked_part(part, PARTS)
    if level not in LEVELS:
        raise CosimError("no such level of the text", key="level", value=level, allowed=LEVELS)
    place = folder or locate(SOURCE)
    files = {each: place / LEVELS[level].format(each) for each in ("train", part)}
    require_files(files.values(), "cosim data check ptb says what is there")
    vocabulary = (END, *sorted(set(_symbols(files["train"])) - {END}))
    place_of = {symbol: place for place, symbol in enumerate(vocabulary)}
    symbols = _symbols(files[part])
    unknown = sorted(set(symbols) - set(place_of))
    if unknown:
        raise CosimError(
            f"{len(unknown)} symbols are not in the training text's vocabulary",
            file=files[part],
            value=unknown[0],
        )
    if official and (len(symbols), len(vocabulary)) != (COUNTS[level][part], VOCABULARY[level]):
        raise CosimError(
            f"not the official text: {len(symbols)} symbols of {len(vocabulary)} kinds",
            file=files[part],
            allowed=f"{COUNTS[level][part]} symbols of {VOCABULARY[level]} kinds",
        )
    return Text(
        symbols=np.fromiter((place_of[symbol] for symbol in symbols), np.int32, len(symbols)),
        vocabulary=vocabulary,
        name=f"ptb_{level}/{part}",
        rule=RULE,
        checksum=checksum_of(set(files.values())),
    )


def _symbols(path: Path) -> list[str]:
    """Symbols between spaces; each line is a sentence and ends with "<eos>"."""
    try:
        lines = path.read_text(encoding="ascii").rstrip().split("\n")  # a blank after the last line is no sentence
    except UnicodeDecodeError as error:
        raise CosimError(f"not a text of the Penn Treebank: {error}", file=path) from error
    return [symbol for line in lines for symbol in (*line.split(), END)]
