"""Sound files of the speech data sets: 16-bit mono wav."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cosim.errors import CosimError


def read_wav(path: Path, rate: int) -> NDArray[np.float32]:
    """Samples of a recording, full scale 1, shape (samples,).

    Raises CosimError when it is no wav file, truncated, empty, or not 16-bit mono at `rate` [Hz].
    """
    try:
        with wave.open(str(path)) as stream:
            form = (stream.getnchannels(), stream.getsampwidth(), stream.getframerate())
            count = stream.getnframes()
            content = stream.readframes(count)
    except FileNotFoundError as error:
        raise CosimError("this recording is missing", file=path) from error
    except (wave.Error, EOFError, OSError) as error:
        raise CosimError(f"not a readable wav file: {error or 'it ends too early'}", file=path) from error
    if form != (1, 2, rate):
        raise CosimError(
            f"this recording has {form[0]} channels of {8 * form[1]} bits at {form[2]} Hz",
            file=path,
            allowed=f"1 channel of 16 bits at {rate} Hz",
        )
    if count == 0 or len(content) != 2 * count:
        raise CosimError(f"truncated: {len(content) // 2} of {count} samples", file=path)
    return np.frombuffer(content, "<i2").astype(np.float32) / np.float32(32768)


def fitted(signal: NDArray[np.float32], samples: int) -> NDArray[np.float32]:
    """The signal cut or continued by zeros to a length."""
    return np.pad(signal[:samples], (0, max(samples - len(signal), 0)))
