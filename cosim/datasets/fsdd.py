"""Free Spoken Digit Dataset: 3,000 recordings of the digits by six speakers, at 8 kHz, as MFCC.

Source: Z. Jackson et al., https://github.com/Jakobovski/free-spoken-digit-dataset, doi 10.5281/zenodo.1342401. Takes
0 to 4 of each digit and speaker are the official test part, takes 5 to 49 the training part.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cosim.datasets.mfcc import mfcc
from cosim.datasets.parts import PARTS, Part, checked_part, checksum_of, require_files
from cosim.datasets.recordings import fitted, read_wav
from cosim.datasets.sources import Source, locate

RATE = 8000  # Hz
SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
CLASSES = tuple("0123456789")
TAKES = {"test": range(0, 5), "train": range(5, 50)}
RULE = "official: takes 0-4 of each digit and speaker for test"

# 50 frames of 20 ms: all of most recordings (median 0.43 s, 98 % are shorter than 0.8 s) and silence after them.
COEFFICIENTS = 40
WINDOW = 256  # samples
HOP = 160
FRAMES = 50

SOURCE = Source(
    name="fsdd",
    folder="free-spoken-digit-dataset/recordings",
    url="https://github.com/Jakobovski/free-spoken-digit-dataset/archive/refs/tags/v1.0.10.tar.gz",
    checksum=None,
    checksum_from="none is published; that all 3,000 recordings are there and whole is checked",
    megabytes=16,
    archive_folder="free-spoken-digit-dataset-1.0.10/recordings",
    licence="CC BY-SA 4.0",
)


def load_fsdd(part: str = "test", folder: Path | None = None) -> Part:
    """The test part (300 recordings) or the training part (2,700).

    inputs: float32, shape (n, 50, 40): recording, frame of 20 ms, MFCC of 40 mel bands (see `mfcc`); cut after
    0.98 s, silence where it is shorter. groups: the speaker, place in SPEAKERS.

    `folder` holds the recordings; default: below COSIM_DATA or in the cache, else downloaded. Raises CosimError for
    missing, truncated and foreign files.
    """
    checked_part(part, PARTS)
    place = folder or locate(SOURCE)
    keys = [(d, s, t) for d in range(len(CLASSES)) for s in range(len(SPEAKERS)) for t in TAKES[part]]
    files = [place / f"{digit}_{SPEAKERS[speaker]}_{take}.wav" for digit, speaker, take in keys]
    require_files(files, "cosim data check fsdd says what is there")
    digits, speakers, _ = np.array(keys, dtype=np.int64).T
    features = [
        mfcc(fitted(read_wav(path, RATE), (FRAMES - 1) * HOP), RATE, COEFFICIENTS, WINDOW, HOP, COEFFICIENTS)
        for path in files
    ]
    return Part(np.stack(features), digits, CLASSES, speakers, f"fsdd/{part}", RULE, checksum_of(files))
