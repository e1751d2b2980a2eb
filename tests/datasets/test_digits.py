"""The digits: their range, their split, and that the split never moves."""

import hashlib

import numpy as np
import pytest

from cosim.datasets.digits import load_digits, stratified_split, validation_split
from cosim.errors import CosimError


def test_parts_are_disjoint_and_complete() -> None:
    test, train, everything = (load_digits(part) for part in ("test", "train", "all"))
    assert (len(test), len(train), len(everything)) == (599, 1198, 1797)
    assert np.array_equal(np.sort(np.concatenate([test.indices, train.indices])), everything.indices)
    for part in (test, train):
        assert np.array_equal(part.sequences, everything.sequences[part.indices])
        assert np.array_equal(part.labels, everything.labels[part.indices])


def test_values() -> None:
    from sklearn.datasets import load_digits as load_from_sklearn

    everything = load_digits("all")
    assert everything.sequences.shape == (1797, 8, 8)
    assert everything.sequences.dtype == np.float32
    assert everything.labels.dtype == np.int64
    assert everything.sequences.min() == 0.0
    assert everything.sequences.max() == 1.0
    bunch = load_from_sklearn()
    assert np.array_equal(everything.sequences.reshape(1797, 64) * 16, bunch.data)
    assert np.array_equal(everything.labels, bunch.target)


def test_split_is_stratified() -> None:
    test, everything = load_digits("test"), load_digits("all")
    counts = np.bincount(test.labels, minlength=10)
    assert np.all(np.abs(counts - np.bincount(everything.labels) / 3) <= 0.5)


def test_split_never_moves() -> None:
    digest = hashlib.sha256(load_digits("test").indices.astype("<i8").tobytes()).hexdigest()
    assert digest == "4c5d586f11f12045a35b273571337ec2b597ef07ae615ea15fed82da16971696"


def test_validation_comes_out_of_the_training_part() -> None:
    train = load_digits("train")
    fit, validation = validation_split(train)
    assert len(validation) == pytest.approx(len(train) / 6, abs=5)
    assert np.array_equal(np.sort(np.concatenate([fit.indices, validation.indices])), train.indices)
    assert np.all(np.abs(np.bincount(validation.labels) - np.bincount(train.labels) / 6) <= 0.5)


def test_split_by_hand() -> None:
    labels = np.array([1, 0, 1, 0, 1, 1])
    drawn, rest = stratified_split(labels, 0.5, seed=3)
    assert np.bincount(labels[drawn]).tolist() == [1, 2]
    assert sorted([*drawn, *rest]) == list(range(6))


def test_unknown_part() -> None:
    with pytest.raises(CosimError, match=r"'tset'.*Did you mean 'test'\? Allowed: test, train, all"):
        load_digits("tset")  # type: ignore[arg-type]
