"""Splits, encoders and scalers: against definitions written in NumPy, and scikit-learn where it is installed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tilegrad as tg
from tilegrad import data

# Splits.


@settings(max_examples=50, deadline=None)
@given(
    count=st.integers(0, 200), weights=st.lists(st.integers(0, 5), min_size=1, max_size=4).filter(any),
    classes=st.integers(1, 5), seed=st.integers(0, 2**63 - 1),
)  # fmt: skip
def test_parts_have_every_sample_once_and_their_share(count: int, weights: list[int], classes: int, seed: int) -> None:
    fractions = [w / sum(weights) for w in weights]
    labels = np.random.default_rng(count).integers(0, classes, count)
    for stratify in (None, labels):
        parts = data.split_indices(count, fractions, seed, stratify)
        assert len(parts) == len(fractions)
        assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(count))
        groups = [np.arange(count)] if stratify is None else [np.flatnonzero(labels == c) for c in range(classes)]
        for part, fraction in zip(parts, fractions, strict=True):
            assert (np.diff(part) > 0).all()
            for group in groups:  # each bound is rounded once
                assert abs(np.isin(part, group).sum() - fraction * len(group)) <= 1
        again = data.split_indices(count, fractions, seed, stratify)
        assert all(np.array_equal(a, b) for a, b in zip(parts, again, strict=True))


def test_splits_into_three() -> None:
    x, y = np.arange(200), np.repeat([0, 1], 100)
    train, validation, test = data.train_validation_test_split(x, y, validation=0.2, test=0.1, seed=5, stratify=y)
    assert [len(part[0]) for part in (train, validation, test)] == [140, 40, 20]
    assert [part[1].sum() for part in (train, validation, test)] == [70, 20, 10]
    assert all(np.array_equal(part[0] // 100, part[1]) for part in (train, validation, test))
    assert not np.array_equal(test[0], data.train_validation_test_split(x, y, validation=0.2, test=0.1, seed=6)[2][0])


def test_the_split_into_two_has_not_moved() -> None:
    (_,), (held_out,) = data.train_validation_split(np.arange(20), fraction=0.3, seed=4)
    assert held_out.tolist() == sorted(tg.permutation(20, tg.Generator(4, stream=0)).tolist()[:6])


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("stratified", [True, False])
def test_folds(shuffle: bool, stratified: bool) -> None:
    labels = np.array([0] * 13 + [1] * 7 + [2] * 31)
    for k in (2, 3, 7):
        folds = list(data.k_fold(51, k, seed=2, shuffle=shuffle, stratify=labels if stratified else None))
        assert len(folds) == k
        assert np.array_equal(np.sort(np.concatenate([v for _, v in folds])), np.arange(51))
        for train, validation in folds:
            assert np.array_equal(np.sort(np.concatenate([train, validation])), np.arange(51))
            assert len(validation) in (51 // k, -(-51 // k))
            if stratified:
                counts = np.bincount(labels[validation], minlength=3)
                assert (np.abs(counts - np.bincount(labels) / k) < 1).all()
        order = np.concatenate([v for _, v in folds])
        assert np.array_equal(order, np.arange(51)) == (not shuffle and not stratified)


def test_subset() -> None:
    part = data.Subset(data.ArrayDataset(np.arange(10) * 10), [7, 2])
    assert [int(sample[0]) for sample in (part[0], part[1])] == [70, 20]
    assert [b[0].tolist() for b in data.DataLoader(part, 5)] == [[70, 20]]
    assert len(data.Subset(part, [])) == 0
    assert len(data.DataLoader(data.Subset(part, []), 2)) == 0


def test_subsets_of_arrays_are_read_as_arrays_are() -> None:
    images = np.random.default_rng(0).integers(0, 256, (20, 6, 6, 3)).astype(np.uint8)
    chosen = np.array([3, 19, 0, 7, 7])
    transform = data.transforms.RandomCrop(4)
    whole = data.ArrayDataset(images, np.arange(20))
    expected = data.DataLoader((images[chosen], chosen), 2, shuffle=True, transform=transform)
    for subset in (data.Subset(whole, chosen), data.Subset(data.Subset(whole, np.arange(20)), chosen)):
        found = data.DataLoader(subset, 2, shuffle=True, transform=transform)
        for (a, b), (c, d) in zip(found, expected, strict=True):
            assert np.array_equal(a.numpy(), c.numpy())
            assert b.tolist() == d.tolist()
        expected.set_epoch(0)


# Scalers.

X = np.random.default_rng(0).normal(3, [1, 5, 0.1], (400, 3))


def test_scalers_against_their_formulas() -> None:
    train, test = X[:300], X[300:]
    scaler = data.StandardScaler()
    assert np.allclose(scaler.fit_transform(train), (train - train.mean(0)) / train.std(0), rtol=1e-12)
    assert np.allclose(scaler.transform(test), (test - train.mean(0)) / train.std(0), rtol=1e-12)
    assert np.allclose(scaler.inverse(scaler.transform(test)), test, rtol=1e-12)
    bounded = data.MinMaxScaler(-1, 3).fit(train)
    low, high = train.min(0), train.max(0)
    assert np.allclose(bounded.transform(test), -1 + 4 * (test - low) / (high - low), rtol=1e-12, atol=1e-12)
    found = bounded.transform(train)
    assert np.allclose((found.min(0), found.max(0)), ((-1,) * 3, (3,) * 3))
    for dtype in ("float32", "uint8"):
        small = np.clip(train * 20, 0, 255).astype(dtype)
        found = data.StandardScaler().fit_transform(small)
        assert found.dtype == np.float32
        wide = small.astype(np.float64)
        assert np.allclose(found, (wide - wide.mean(0)) / wide.std(0), atol=2e-5)
    assert np.array_equal(data.StandardScaler().fit_transform(np.full((3, 2), 7.0)), np.zeros((3, 2)))
    assert np.array_equal(data.MinMaxScaler(2, 3).fit_transform(np.full((3, 2), 7.0)), np.full((3, 2), 2.0))


@pytest.mark.parametrize("pieces", [[10], [3, 7, 11], [1000]])
@pytest.mark.parametrize("value", [0.1, 1 / 3, 123.456, 1e10 + 0.1])
def test_what_never_changes_becomes_zero(value: float, pieces: list[int]) -> None:
    scaler = data.StandardScaler()
    for count in pieces:  # whose rounded mean is not the value
        scaler.partial_fit(np.full((count, 1), value))
    assert scaler.scale == 1
    assert np.array_equal(scaler.transform([[value], [value + 2]])[:, 0], [0, value + 2 - value])


@pytest.mark.parametrize("dtype", ["int64", "uint64", "int32", "uint32"])
def test_large_integers_keep_their_digits(dtype: str) -> None:
    seconds = 1_700_000_000 + np.arange(5, dtype=dtype)[:, None]
    found = data.StandardScaler().fit_transform(seconds)
    assert found.dtype == np.float32
    assert np.allclose(found[:, 0], np.array([-2, -1, 0, 1, 2]) / np.sqrt(2), rtol=1e-6)
    assert np.allclose(data.MinMaxScaler().fit_transform(seconds)[:, 0], [0, 0.25, 0.5, 0.75, 1], rtol=1e-6)


def test_values_that_are_refused_leave_the_statistics_as_they_were() -> None:
    scaler = data.StandardScaler().fit([[1.0], [3.0]])
    for refused in (scaler.fit, scaler.partial_fit):
        with pytest.raises(tg.ArgumentError, match="NaN"):
            refused([[5.0], [np.nan]])
    scaler.partial_fit([[5.0]])
    assert scaler.shift == 3
    assert np.allclose(scaler.scale, np.sqrt(8 / 3), rtol=1e-15)


def test_scalers_against_scikit_learn() -> None:
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    for ours, theirs in (
        (data.StandardScaler(), preprocessing.StandardScaler()), (data.MinMaxScaler(), preprocessing.MinMaxScaler()),
    ):  # fmt: skip
        assert np.allclose(ours.fit_transform(X), theirs.fit_transform(X), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("axis", [0, (0, 1, 2), (0, 3), None])
def test_statistics_of_any_axes_and_in_pieces(axis: Any) -> None:
    images = np.random.default_rng(1).integers(0, 256, (50, 6, 5, 3)).astype(np.uint8)
    wide = images.astype(np.float64)
    whole, pieces = data.RunningStatistics(axis), data.RunningStatistics(axis)
    whole.update(images)
    for start in range(0, 50, 7):
        pieces.update(images[start : start + 7])
    pieces.update(images[:0])
    for statistics in (whole, pieces):
        assert np.allclose(statistics.mean, wide.mean(axis), rtol=1e-13)
        assert np.allclose(statistics.variance(), wide.var(axis), rtol=1e-12)
        assert np.allclose(statistics.std(unbiased=True), wide.std(axis, ddof=1), rtol=1e-12)
        assert np.array_equal(statistics.low, wide.min(axis))
        assert np.array_equal(statistics.high, wide.max(axis))
        assert statistics.count * statistics.mean.size == wide.size
    scaler = data.StandardScaler(axis)
    for start in range(0, 50, 20):
        scaler.partial_fit(images[start : start + 20])
    expected = (wide - wide.mean(axis, keepdims=True)) / wide.std(axis, keepdims=True)
    assert np.allclose(scaler.transform(images), expected, atol=1e-5)
    assert np.array_equal(
        scaler.fit(images[:9]).transform(images), data.StandardScaler(axis).fit(images[:9]).transform(images)
    )


def test_a_large_offset_does_not_drown_the_variance() -> None:
    """The sum of squares would lose all digits of it."""
    statistics = data.RunningStatistics()
    for piece in np.split(1e9 + np.tile([[0.0], [1.0]], (500, 1)), 10):
        statistics.update(piece)
    assert np.allclose(statistics.variance(), 0.25, rtol=1e-6)


def test_scalers_as_transforms() -> None:
    images = np.random.default_rng(2).integers(0, 256, (20, 6, 5, 3)).astype(np.uint8)
    for scaler in (
        data.StandardScaler(axis=(0, 1, 2)).fit(images),
        data.StandardScaler(None).fit(images),
        data.FixedScaler(),
    ):
        assert np.allclose(scaler.as_transform()(images).numpy(), scaler.transform(images), atol=1e-5)
    assert np.array_equal(data.FixedScaler().inverse(data.FixedScaler().fit_transform(images)), images)
    assert data.StandardScaler().fit(tg.ones((3, 2))).transform(tg.ones((3, 2))).shape == (3, 2)


# Encoders.

WORDS = np.array(["pear", "apple", "fig", "apple", "kiwi", "fig", "plum"])


@pytest.mark.parametrize("kind", [data.LabelEncoder, data.OneHotEncoder, data.BinaryEncoder])
@pytest.mark.parametrize("values", [WORDS, np.array([30, 10, 20, 10]), np.array([True, False]), [0.5, 2.5, 0.5]])
def test_encoders_and_back(kind: Any, values: Any) -> None:
    encoder = kind()
    encoded = encoder.fit_transform(values)
    assert np.array_equal(encoder.inverse(encoded), values)
    categories, labels = np.unique(values, return_inverse=True)
    assert np.array_equal(encoder.classes, categories)
    K = len(categories)
    if kind is data.LabelEncoder:
        expected: Any = labels
    elif kind is data.OneHotEncoder:
        expected = np.eye(K)[labels]
    else:
        digits = max(int(np.ceil(np.log2(K))), 1)
        expected = [[int(d) for d in np.binary_repr(label, digits)] for label in labels]
    assert np.array_equal(encoded, expected)
    assert encoded.dtype == ("int64" if kind is data.LabelEncoder else "float32")


def test_texts_in_arrays_of_objects() -> None:
    words = np.array(["b", "a", "b"], object)  # as of a table's column
    encoder = data.LabelEncoder().fit(words)
    assert encoder.classes is not None
    assert encoder.classes.tolist() == ["a", "b"]
    assert encoder.transform(words).tolist() == [1, 0, 1]
    for bad in ([None], ["a", None], [["a"], ["b", "c"]]):
        array = np.empty(len(bad), object)
        array[:] = bad
        with pytest.raises(tg.ShapeError, match="texts or numbers"):
            data.LabelEncoder().fit(array)


def test_categories_that_are_not_known() -> None:
    for kind in (data.LabelEncoder, data.OneHotEncoder, data.BinaryEncoder):
        with pytest.raises(tg.ArgumentError, match=r"'nut' of row 1 is none of the 5 categories of the training data"):
            kind().fit(WORDS).transform(["fig", "nut"])
    assert data.LabelEncoder("ignore").fit(WORDS).transform(["fig", "nut"]).tolist() == [1, -1]
    assert data.OneHotEncoder("ignore").fit(["a", "b"]).transform(["b", "x"]).tolist() == [[0, 1], [0, 0]]
    encoder = data.BinaryEncoder("ignore").fit(["a", "b", "c"])
    assert encoder.transform(["a", "x", "c"]).tolist() == [[0, 1], [0, 0], [1, 1]]
    assert encoder.inverse([[0, 1], [1, 1]]).tolist() == ["a", "c"]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: data.split_indices(5, (0.5, 0.4)), tg.ArgumentError, "must not be negative and add up to 1"),
        (lambda: data.split_indices(5, (1.5, -0.5)), tg.ArgumentError, "must not be negative and add up to 1"),
        (lambda: data.split_indices(5, (1.0,), stratify=[1]), tg.ArgumentError, r"stratify must be \[5\], found \[1\]"),
        (lambda: data.train_validation_test_split(X, validation=0.6, test=0.5), tg.ArgumentError, "more than 1"),
        (lambda: data.train_validation_test_split(X, test=-1), tg.ArgumentError, "test must be between 0 and 1"),
        (lambda: data.k_fold(5, 6), tg.ArgumentError, "k must be an integer from 2 to the 5 samples, found 6"),
        (lambda: data.k_fold(5, 1), tg.ArgumentError, "found 1"),
        (lambda: data.k_fold(5, 2.0), tg.ArgumentError, "found 2.0"),
        (lambda: data.k_fold(5, 2, stratify=[0, 0, 0, 0, 1]), tg.ArgumentError, "class 1 has 1 samples, fewer"),
        (lambda: data.Subset(range(3), [3]), IndexError, r"indices\[0\] is 3, expected 0 to 2"),
        (lambda: data.Subset(range(3), [0.5]), tg.ArgumentError, "indices must be whole numbers"),
        (lambda: data.StandardScaler().transform(X), tg.ArgumentError, r"StandardScaler: not fitted yet; call fit\(\)"),
        (lambda: data.MinMaxScaler().inverse(X), tg.ArgumentError, "MinMaxScaler: not fitted yet"),
        (lambda: data.MinMaxScaler(1, 1), tg.ArgumentError, "low must be below high, found 1 and 1"),
        (lambda: data.FixedScaler(0, 0), tg.ArgumentError, "FixedScaler: scale must be finite, above 0, found 0"),
        (lambda: data.StandardScaler().fit(X).transform(X[:, :2]), tg.ShapeError, r"\[400, 2\] do not fit .*, \[3\]"),
        (lambda: data.StandardScaler().fit(X).transform(X[0]), tg.ShapeError, r"values \[3\] have not the 2 axes"),
        (lambda: data.StandardScaler().fit(X[:0]), tg.ArgumentError, "there are no values"),
        (lambda: data.StandardScaler().fit([[1, np.nan], [2, 3]]), tg.ArgumentError, r"of feature \[1\] are NaN"),
        (lambda: data.MinMaxScaler(axis=None).fit([1, np.inf]), tg.ArgumentError, "fit: values are NaN or infinite"),
        (lambda: data.StandardScaler(1), tg.ArgumentError, "axis must be 0, axes from 0 up with 0 among them, or None"),
        (lambda: data.StandardScaler((0, 2)).fit(X), tg.ShapeError, r"values \[400, 3\] have no axis 2"),
        (lambda: data.StandardScaler().fit(X).partial_fit(X[:, :2]), tg.ShapeError, "but those before left"),
        (lambda: data.StandardScaler().fit(np.zeros((2, 3, 4))).as_transform(), tg.ArgumentError, "of channels"),
        (lambda: data.StandardScaler().fit(["a"]), tg.DTypeError, "not of numbers"),
        (lambda: data.RunningStatistics().variance(), tg.ArgumentError, "0 values have no such variance"),
        (lambda: data.LabelEncoder("zeros"), tg.ArgumentError, "unknown must be 'error' or 'ignore', found 'zeros'"),
        (lambda: data.OneHotEncoder().transform(WORDS), tg.ArgumentError, "OneHotEncoder: not fitted yet"),
        (lambda: data.LabelEncoder().fit([]), tg.ArgumentError, "there are no values"),
        (lambda: data.LabelEncoder().fit([1.0, np.nan]), tg.ArgumentError, "row 1 is NaN"),
        (lambda: data.LabelEncoder().fit([[1]]), tg.ShapeError, r"texts or numbers \[N\], found int64 \[1, 1\]"),
        (lambda: data.LabelEncoder().fit([None]), tg.ShapeError, "texts or numbers"),
        (lambda: data.LabelEncoder().fit([1]).transform(["1"]), tg.ArgumentError, "of the training data were int64"),
        (lambda: data.LabelEncoder().fit(WORDS).inverse([9]), IndexError, "label 9 of row 0 is not from 0 to 4"),
        (lambda: data.LabelEncoder().fit(WORDS).inverse([0.5]), tg.ShapeError, "labels must be whole numbers"),
        (lambda: data.OneHotEncoder().fit(WORDS).inverse([[1, 0]]), tg.ShapeError, r"\[N, 5\], found \[1, 2\]"),
        (lambda: data.OneHotEncoder("ignore").fit(["a"]).inverse([[1], [0]]), tg.ArgumentError, "row 1 is of zeros"),
        (lambda: data.BinaryEncoder().fit(WORDS).inverse([[1, 1, 1]]), IndexError, "label 7 of row 0"),
    ],
)  # fmt: skip
def test_what_is_refused(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
