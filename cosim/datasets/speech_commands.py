"""Google Speech Commands v0.02 as the usual task of twelve classes, as 40 MFCC.

Source: P. Warden, "Speech commands: a dataset for limited-vocabulary speech recognition", arXiv 1804.03209 (2018):
105,829 recordings of up to a second at 16 kHz, 35 words. Ten words are classes of their own, the other 25 make
"_unknown_", cuts of the background noise make "_silence_". validation_list.txt and testing_list.txt name the parts;
what is on neither is for training.

The paper's test archive holds about as many "_unknown_" and "_silence_" as of each word. So here: of the unknown words
a part takes as many as the ten words have on average, and as many silences.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cosim.datasets.mfcc import mfcc
from cosim.datasets.parts import Part, checked_part, checksum_of, require_files
from cosim.datasets.recordings import fitted, read_wav
from cosim.datasets.sources import Source, locate
from cosim.errors import CosimError
from cosim.seeds import stream

RATE = 16_000  # Hz
WORDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
UNKNOWN = "_unknown_"
SILENCE = "_silence_"
CLASSES = (SILENCE, UNKNOWN, *WORDS)
NOISE_FOLDER = "_background_noise_"
PARTS = ("train", "validation", "test")
LISTS = {"validation": "validation_list.txt", "test": "testing_list.txt"}
RECORDINGS = 105_829  # of the official archive, without the noise
RULE = "official lists; as many unknown words and silences as of each of the ten words, drawn with seed 1"
SEED = 1

# 20 ms a frame, 50 frames: C. Schaefer et al., ISCAS 2021, whose recipe the keyword-spotting papers compare with.
COEFFICIENTS = 40
WINDOW = 640  # samples
HOP = 320
FRAMES = 50

SOURCE = Source(
    name="speech_commands",
    folder="speech_commands_v0.02",
    url="https://storage.googleapis.com/download.tensorflow.org/data/speech_commands_v0.02.tar.gz",
    checksum="sha256:af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58",
    checksum_from="TensorFlow Datasets (speech_commands/checksums.tsv) and torchaudio (datasets/speechcommands.py)",
    megabytes=2316,
    archive_folder="",
    licence="CC BY 4.0",
)


def load_speech_commands(part: str = "test", folder: Path | None = None, *, official: bool = True) -> Part:
    """One part of the twelve-class task.

    inputs: float32, shape (n, 50, 40): recording, frame of 20 ms, MFCC of 40 mel bands (see `mfcc`). labels: place in
    CLASSES. groups: the speaker, numbered in the order of their hashes in the files' names; -1 for silence.

    `folder` is the data set's; default: below COSIM_DATA or in the cache, else downloaded (2.3 GB). With `official` the
    number of recordings must be that of the official archive. Raises CosimError for missing, truncated and foreign
    files, and for a list that names a file that is not there.
    """
    checked_part(part, PARTS)
    place = folder or locate(SOURCE)
    require_files([place / name for name in LISTS.values()], "cosim data check speech_commands says what is there")
    lists = {name: _read_list(place, file) for name, file in LISTS.items()}
    names = sorted(path.relative_to(place).as_posix() for path in place.glob("[!_]*/*.wav"))
    if official and len(names) != RECORDINGS:
        raise CosimError("not the official number of recordings", file=place, value=len(names), allowed=str(RECORDINGS))
    elsewhere = set().union(*lists.values())
    missing = sorted(elsewhere - set(names))
    if missing:
        raise CosimError(f"{len(missing)} recordings of the lists are missing", file=place / missing[0])
    own = sorted(lists[part]) if part in lists else [name for name in names if name not in elsewhere]
    files, labels = _chosen(own, part)
    signals = [fitted(read_wav(place / name, RATE), RATE) for name in files]
    silences = _silences(place, round(np.mean(np.bincount(labels)[2:])), part)
    # Frames at 0, 20, ... 980 ms; the one at 1 s is all padding.
    features = [
        mfcc(signal, RATE, COEFFICIENTS, WINDOW, HOP, COEFFICIENTS)[:FRAMES] for signal in (*signals, *silences)
    ]
    speakers = np.unique([Path(name).name.split("_")[0] for name in files], return_inverse=True)[1]
    return Part(
        inputs=np.stack(features),
        labels=np.concatenate([labels, np.zeros(len(silences), np.int64)]),
        classes=CLASSES,
        groups=np.concatenate([speakers.astype(np.int64), np.full(len(silences), -1, np.int64)]),
        name=f"speech_commands/{part}",
        rule=RULE,
        checksum=checksum_of(place / name for name in files),
    )


def _read_list(place: Path, name: str) -> set[str]:
    """Names of the recordings, word/file.wav, one a line."""
    try:
        lines = set((place / name).read_text(encoding="ascii").split())
    except UnicodeDecodeError as error:
        raise CosimError(f"not a list of recordings: {error}", file=place / name) from error
    strange = sorted(line for line in lines if not line.endswith(".wav") or line.count("/") != 1)
    if strange or not lines:
        raise CosimError("not a list of recordings", file=place / name, value=strange[0] if strange else "empty")
    return lines


def _chosen(names: list[str], part: str) -> tuple[list[str], NDArray[np.int64]]:
    """Recordings of the ten words, and as many of the others as one of the ten has on average; with their labels."""
    words = [name for name in names if name.split("/")[0] in WORDS]
    others = [name for name in names if name.split("/")[0] not in WORDS]
    counts = [sum(name.startswith(f"{word}/") for name in words) for word in WORDS]
    if min(counts) == 0:
        raise CosimError("no recording of this word in the part", key="part", value=WORDS[int(np.argmin(counts))])
    rng = np.random.default_rng(stream(SEED, f"speech_commands: unknown words of {part}"))
    drawn = sorted(rng.permutation(len(others))[: round(np.mean(counts))])
    files = [*(others[place] for place in drawn), *words]
    labels = [CLASSES.index(UNKNOWN)] * len(drawn) + [CLASSES.index(name.split("/")[0]) for name in words]
    return files, np.array(labels, dtype=np.int64)


def _silences(place: Path, count: int, part: str) -> list[NDArray[np.float32]]:
    """Cuts of a second out of the background noise, at a volume between 0 and 1."""
    noises = [read_wav(path, RATE) for path in sorted((place / NOISE_FOLDER).glob("*.wav"))]
    noises = [noise for noise in noises if len(noise) > RATE]
    if not noises:
        raise CosimError("no background noise of more than a second", file=place / NOISE_FOLDER)
    rng = np.random.default_rng(stream(SEED, f"speech_commands: silences of {part}"))
    cuts = []
    for _ in range(count):
        noise = noises[rng.integers(len(noises))]
        start = rng.integers(len(noise) - RATE)
        cuts.append(noise[start : start + RATE] * np.float32(rng.random()))
    return cuts
