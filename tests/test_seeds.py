"""No two purposes draw the same numbers, and a new purpose leaves the others alone."""

import re
from pathlib import Path

import numpy as np

import cosim
from cosim.seeds import stream


def test_streams_differ_by_seed_and_purpose() -> None:
    draws = {
        (seed, purpose): np.random.default_rng(stream(seed, purpose)).integers(0, 2**63, 4).tolist()
        for seed in (0, 1, 2)
        for purpose in ("accuracy: chips", "cosimulation: chip", "crossbar: arrays")
    }
    assert len({tuple(each) for each in draws.values()}) == len(draws)
    again = np.random.default_rng(stream(1, "accuracy: chips")).integers(0, 2**63, 4).tolist()
    assert again == draws[1, "accuracy: chips"]


def test_every_purpose_of_the_package_has_its_own_stream() -> None:
    texts = [path.read_text(encoding="utf-8") for path in Path(cosim.__file__).parent.rglob("*.py")]
    purposes = [purpose for text in texts for purpose in re.findall(r'\bstream\(\s*seed,\s*f?"([^"]+)"', text)]
    assert len(purposes) >= 4
    assert len({stream(1, purpose).spawn_key for purpose in purposes}) == len(purposes)
    bare = [text for text in texts if re.search(r"SeedSequence\(seed\)", text) and "def stream" not in text]
    assert len(bare) <= 1  # training, whose streams are its own: its weights are shipped
