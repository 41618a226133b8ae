"""Transforms of image batches: values against NumPy and Pillow, bits, draws, forms for evaluation, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tilegrad as tg
from tilegrad import data
from tilegrad.data import transforms as T

from .augmentation import reference
from .targets import AVAILABLE, THREADS, running_on

SIDES = ((3, 1), (2, 0))
# Each is compared with the reference, whose borders and draws are written without looking at the kernel.
LISTS: dict[str, list[Any]] = {
    "nothing": [],
    "crop": [T.RandomCrop(5)],
    "crop-zeros": [T.RandomCrop((7, 9), padding=4)],
    "crop-fill": [T.RandomCrop(8, padding=SIDES, fill=17.0)],
    "crop-edge": [T.RandomCrop(9, padding=(5, 3), padding_mode="edge")],
    "crop-reflect": [T.RandomCrop(11, padding=20, padding_mode="reflect")],
    "center": [T.CenterCrop((4, 3))],
    "center-larger": [T.CenterCrop(13, padding_mode="reflect")],
    "flips": [T.RandomHorizontalFlip(), T.RandomVerticalFlip(0.3)],
    "flip-never": [T.RandomHorizontalFlip(0.0), T.RandomVerticalFlip(1.0)],
    "shift-pixels": [T.RandomShift(2, (-1, 3), fill=3)],
    "shift-whole-shares": [T.RandomShift(0.3, (-0.2, 0.5), padding_mode="reflect")],
    "shift-shares": [T.RandomShift(0.25, 0.4, "bilinear", "edge")],
    "rotation": [T.RandomRotation(40)],
    "rotation-nearest": [T.RandomRotation((10, 170), "nearest", fill=9)],
    "rotation-edge": [T.RandomRotation(180, padding_mode="edge")],
    "rotation-reflect": [T.RandomRotation(180, padding_mode="reflect")],
    "shear": [T.RandomShear(30, 20, padding_mode="reflect")],
    "affine": [T.RandomAffine(25, (0.1, 2), (0.7, 1.4), (15, (-5, 10)), fill=100)],
    "resize": [T.Resize((17, 5))],
    "resize-shorter": [T.Resize(3)],
    "resize-nearest": [T.Resize((5, 31), "nearest")],
    "resized-crop": [T.RandomResizedCrop(6)],
    "resized-crop-nearest": [T.RandomResizedCrop((3, 12), (0.5, 0.6), (0.5, 2.0), "nearest")],
    "resized-crop-never-fits": [T.RandomResizedCrop(6, (0.9, 1.0), (4.0, 5.0))],
    "brightness": [T.ColorJitter(brightness=0.8)],
    "contrast": [T.ColorJitter(contrast=(0.2, 3.0))],
    "saturation": [T.ColorJitter(saturation=(0.0, 4.0))],
    "hue": [T.ColorJitter(hue=0.5)],
    "jitter": [T.ColorJitter(0.4, 0.4, 0.4, 0.1)],
    "cutout": [T.Cutout((3, 4), count=3, fill=5.0)],
    "float": [T.ToFloat()],
    "normalize": [T.ToFloat(), T.Normalize((0.4, 0.5, 0.6), 0.25)],
    "normalize-twice": [T.Normalize(128, 64), T.Normalize((0.5, -1, 2), (2.0, 3.0, 0.5))],
    "cifar": [T.RandomCrop(10, padding=2), T.RandomHorizontalFlip(), T.ToFloat(), T.Normalize(0.5, 0.25), T.Cutout(4)],
    "crops-of-crops": [
        T.RandomCrop(14, padding=3, padding_mode="reflect"), T.RandomVerticalFlip(),
        T.RandomCrop(16, padding=4, fill=7), T.Resize((8, 32), "nearest"), T.RandomHorizontalFlip(),
        T.CenterCrop(20, "edge"),
    ],
    "jitter-floats": [T.RandomCrop(8), T.ToFloat(), T.ColorJitter(0.4, 0.4, 0.4, 0.1), T.Normalize(0.5, 0.2)],
    "pixels-then-geometry": [
        T.Cutout(3), T.RandomCrop(9, padding=1, fill=0.5), T.ColorJitter(0.5), T.RandomVerticalFlip(),
    ],
}  # fmt: skip
# Of the largest value: at most 64 roundings of weights, products, colours and scales, each by 2^-24 of what is summed.
TOLERANCE = 64 * 2.0**-24
SAMPLES = np.array([0, 5, 3, 2**40, 1, 77, 12])


def images(dtype: str, C: int = 3, H: int = 10, W: int = 12, N: int = len(SAMPLES)) -> np.ndarray:
    rng = np.random.default_rng(C + H + W)
    if dtype == "uint8":
        return rng.integers(0, 256, (N, H, W, C)).astype(np.uint8)
    return rng.random((N, H, W, C)).astype(np.float32)


def differ(found: np.ndarray, expected: np.ndarray, scale: float) -> np.ndarray:
    return np.abs(found - expected) > TOLERANCE * scale


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_values(name: str, dtype: str) -> None:
    transform = T.Compose(LISTS[name])
    for H, W in ((10, 12), (12, 9)):
        x = images(dtype, H=H, W=W)
        found = transform(x, seed=3, epoch=4, samples=SAMPLES).numpy()
        expected = reference(LISTS[name], x, 3, 4, SAMPLES)
        assert found.dtype == np.float32
        assert found.shape == expected.shape
        wrong = differ(found, expected, max(np.abs(expected).max(), 1.0))
        assert not wrong.any(), (np.argwhere(wrong)[:3], found[wrong][:3], expected[wrong][:3])


def inner(borders: tuple[str, ...], *, blends: bool) -> st.SearchStrategy[Any]:
    """Transforms that copy pixels, or blend them too."""
    sizes, modes = st.integers(1, 9), st.sampled_from(borders)
    copies = [
        st.builds(T.CenterCrop, st.tuples(sizes, sizes), modes, st.integers(0, 9)),
        st.builds(T.RandomCrop, st.tuples(sizes, sizes), st.integers(9, 12), modes, st.integers(0, 9)),
        st.builds(T.RandomShift, st.integers(0, 12), st.integers(0, 12), padding_mode=modes),
        st.builds(T.RandomHorizontalFlip),
        st.builds(T.RandomVerticalFlip),
    ]
    mixes = [
        st.builds(T.RandomRotation, st.integers(1, 180), padding_mode=modes, fill=st.integers(0, 9)),
        st.builds(T.Resize, st.tuples(sizes, sizes)),
        st.builds(T.RandomResizedCrop, st.tuples(sizes, sizes)),
        st.builds(T.RandomShear, st.integers(0, 60), st.integers(0, 60), padding_mode=modes),
    ]
    return st.one_of(mixes if blends else copies)


BORDERS = ("constant", "edge", "reflect")


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    # Between a pixel and a constant nothing is blended: that border stays sharp.
    before=st.lists(inner(BORDERS[1:], blends=False), max_size=4),
    blending=st.lists(inner(BORDERS, blends=True), max_size=1),
    after=st.lists(inner(BORDERS, blends=False), max_size=4),
    H=st.integers(1, 9), W=st.integers(1, 9), seed=st.integers(0, 9),
)  # fmt: skip
def test_geometric_transforms_one_after_the_other(
    before: list[Any], blending: list[Any], after: list[Any], H: int, W: int, seed: int
) -> None:
    """Folded into one sampling they give what they give one by one, if at most one of them blends."""
    x = images("uint8", 2, H, W, 3)
    transforms = [*before, *blending, *after]
    expected = reference(transforms, x, seed, 1, range(3))
    found = T.Compose(transforms)(x, seed=seed, epoch=1).numpy()
    assert found.shape == expected.shape
    assert not differ(found, expected, 255).any()


def test_values_of_other_channels() -> None:
    for C in (1, 2, 5):
        x = images("uint8", C)
        steps = [T.RandomRotation(30), T.RandomCrop(9, padding=2), T.ToFloat(), T.Normalize(list(range(1, C + 1)), 2.0)]
        found = T.Compose(steps)(x, samples=SAMPLES).numpy()
        expected = reference(steps, x, 0, 0, SAMPLES)
        assert not differ(found, expected, np.abs(expected).max()).any()
    grey = [T.ColorJitter(0.5, 0.5, 0.9, 0.5)]
    x = images("uint8", 1)
    assert not differ(grey[0](x).numpy(), reference(grey, x, 0, 0, range(7)), 255).any()


@pytest.mark.parametrize("name", LISTS)
def test_bits_do_not_depend_on_threads_isa_or_batch(name: str) -> None:
    transform = T.Compose(LISTS[name])
    x = images("uint8")
    expected = None
    for isa in AVAILABLE:
        for threads in THREADS:
            with running_on(isa, threads):
                found = transform(x, seed=1, epoch=2, samples=SAMPLES).numpy()
            expected = found if expected is None else expected
            assert found.tobytes() == expected.tobytes(), (isa, threads)
    for n in (0, 3, 6):
        alone = transform(x[n], seed=1, epoch=2, samples=SAMPLES[n]).numpy()
        assert alone.tobytes() == expected[n].tobytes()


def test_strided_images_and_rows() -> None:
    x = images("uint8")
    transform = T.Compose(LISTS["cifar"])
    expected = transform(x, samples=SAMPLES).numpy()
    wide = np.zeros((7, 20, 12, 6), np.uint8)
    wide[:, ::2, :, ::2] = x
    assert np.array_equal(transform(tg.from_numpy(wide[:, ::2, :, ::2]), samples=SAMPLES).numpy(), expected)
    rows = np.array([6, 0, 0])
    found, _ = transform.apply(tg.from_numpy(x), rows, None, 0, 0, SAMPLES[rows])
    assert np.array_equal(found.numpy(), expected[rows])


def test_draws_depend_on_seed_epoch_sample_and_place() -> None:
    x = np.broadcast_to(images("uint8")[:1], (7, 10, 12, 3)).copy()
    t = T.RandomAffine(180)
    base = t(x, seed=1, epoch=1, samples=SAMPLES).numpy()
    assert len({image.tobytes() for image in base}) == 7
    for other in (
        t(x, seed=2, epoch=1, samples=SAMPLES), t(x, seed=1, epoch=0, samples=SAMPLES),
        T.Compose([T.RandomHorizontalFlip(0.0), t])(x, seed=1, epoch=1, samples=SAMPLES),
    ):  # fmt: skip
        assert all((a != b).any() for a, b in zip(base, other.numpy(), strict=True))
    again = t(x, seed=1, epoch=1, samples=SAMPLES[::-1].copy()).numpy()
    assert np.array_equal(again, base[::-1])


def test_draws_are_uniform() -> None:
    """A crop's place, a flip, a shift: counts within five deviations of what is expected."""
    count = 4000
    x = np.broadcast_to(np.arange(9, dtype=np.uint8).reshape(1, 3, 3, 1), (count, 3, 3, 1))
    for epoch in (0, 1):
        found = T.RandomCrop(1)(x, epoch=epoch).numpy().ravel().astype(int)
        assert (np.abs(np.bincount(found, minlength=9) - count / 9) < 5 * np.sqrt(count * 8 / 81)).all()
        flipped = (T.RandomHorizontalFlip(0.3)(x, epoch=epoch).numpy()[:, 0, 0, 0] == 2).sum()
        assert abs(flipped - 0.3 * count) < 5 * np.sqrt(0.21 * count)


def test_against_pillow() -> None:
    """Rotation, affine maps with zeros outside and enlarging are Pillow's, which rounds to whole values."""
    image = pytest.importorskip("PIL.Image")
    x = images("uint8", 1, 15, 15, 1)
    picture = image.fromarray(x[0, ..., 0])
    for angle in (3.7, 33.1, 91.3, -140.9):
        for mode, kind in (("bilinear", image.Resampling.BILINEAR), ("nearest", image.Resampling.NEAREST)):
            found = T.RandomRotation((angle, angle), mode)(x).numpy()[0, ..., 0]
            expected = np.asarray(picture.rotate(angle, kind)).astype(float)
            assert np.abs(found - expected).max() <= 1.01, (angle, mode)  # Pillow works in fixed point
    for size in ((30, 45), (15, 16)):
        found = T.Resize(size)(x).numpy()[0, ..., 0]
        expected = np.asarray(picture.resize(size[::-1], image.Resampling.BILINEAR)).astype(float)
        assert np.abs(found - expected).max() <= 1.01


def test_against_scipy() -> None:
    """A shift by parts of pixels with mirrored and repeated borders is SciPy's."""
    ndimage = pytest.importorskip("scipy.ndimage")
    x = images("float32", 1, 9, 8, 1)
    for mode, name in (("edge", "nearest"), ("reflect", "mirror")):
        found = T.RandomShift((3.3, 3.3), (-2.6, -2.6), "bilinear", mode)
        scaled = T.RandomAffine(shift=((0.3, 0.3), (-0.25, -0.25)), padding_mode=mode)
        expected = ndimage.shift(x[0, ..., 0].astype(float), (9 * 0.3, -8 * 0.25), order=1, mode=name)
        assert np.abs(scaled(x).numpy()[0, ..., 0] - expected).max() < 1e-6
        expected = ndimage.shift(x[0, ..., 0].astype(float), (3.3 * 9, -2.6 * 8), order=1, mode=name)
        assert np.abs(found(x).numpy()[0, ..., 0] - expected).max() < 2e-5


def test_affine_maps_with_the_same_border_are_one() -> None:
    """What leaves the image between them comes back: a turn by 30 degrees and back is the image, without two blurs."""
    x = images("uint8", 1, 9, 9, 1)
    there_and_back = T.Compose([T.RandomAffine(shift=((4, 4), 0)), T.RandomAffine(shift=((-4, -4), 0))])
    assert np.array_equal(there_and_back(x).numpy(), x)
    apart = T.Compose([T.RandomAffine(shift=((4, 4), 0)), T.RandomAffine(shift=((-4, -4), 0), fill=1)])
    assert (apart(x).numpy()[0, 5:] == 1).all()
    assert (apart(x).numpy()[0, :5] == x[0, :5]).all()
    shifted = T.Compose([T.RandomShift((2, 2), 0), T.RandomRotation((45, 45), padding_mode="edge")])(x).numpy()
    assert (shifted % 1 != 0).mean() > 0.5  # blended, though the shift is of whole pixels
    turned = T.Compose([T.RandomRotation((30, 30)), T.RandomRotation((-30, -30))])(x).numpy()
    assert np.abs(turned - x).max() < 1e-3


def test_forms_for_evaluation() -> None:
    train = T.Compose([
        T.RandomResizedCrop(8), T.Compose([T.RandomHorizontalFlip(), T.RandomRotation(9)]), T.RandomVerticalFlip(),
        T.RandomShift(1, 1), T.RandomShear(3), T.RandomAffine(3), T.ColorJitter(0.1), T.ToFloat(),
        T.Normalize(0.1, 0.2), T.Cutout(2), T.Mixup(classes=3),
    ])  # fmt: skip
    evaluation = train.deterministic()
    assert evaluation == T.Compose([T.CenterResizedCrop(8), T.ToFloat(), T.Normalize(0.1, 0.2)])
    x = images("uint8")
    first = evaluation(x, seed=1, epoch=5).numpy()
    assert np.array_equal(first, evaluation(x, seed=9, epoch=0, samples=SAMPLES).numpy())
    assert T.RandomCrop(10, padding=4).deterministic() == T.CenterCrop(10)
    assert np.array_equal(T.RandomRotation(30).deterministic()(x).numpy(), x)
    assert T.RandomResizedCrop(6).deterministic()(images("uint8", H=30, W=20)).shape == (7, 6, 6, 3)


@pytest.mark.parametrize("name", LISTS)
def test_repr_can_be_evaluated(name: str) -> None:
    transform = T.Compose(LISTS[name])
    again = eval(repr(transform), vars(T))
    assert again == transform
    assert repr(again) == repr(transform)
    assert hash(again) == hash(transform)
    assert T.Normalize(np.float32(0.5), np.ones(3)) == T.Normalize(0.5, [1.0, 1.0, 1.0])


def test_more_steps_than_a_pass_takes() -> None:
    x = images("uint8")
    many = [T.RandomHorizontalFlip(0.5) for _ in range(20)] + [T.Cutout(1, fill=float(i)) for i in range(20)]
    assert np.array_equal(T.Compose(many)(x).numpy(), reference(many, x, 0, 0, range(7)))


def test_an_empty_batch() -> None:
    assert T.Compose(LISTS["cifar"])(np.zeros((0, 10, 12, 3), np.uint8)).shape == (0, 10, 10, 3)
    assert T.ToFloat()(np.zeros((2, 10, 12, 0), np.uint8)).shape == (2, 10, 12, 0)


# Mixup.


def test_mixup_blends_images_and_targets_alike() -> None:
    x, labels = images("uint8"), np.array([0, 1, 2, 0, 1, 2, 1])
    transform = T.Compose([T.ToFloat(), T.Mixup(0.8, classes=3)])
    mixed, soft = transform(x, labels, seed=5, epoch=1, samples=SAMPLES)
    plain = x / 255.0
    for n in range(7):  # each is on the line between two images, at the place that its target says
        fits = []
        for m in range(7):
            share = (mixed.numpy()[n] - plain[m]).ravel() @ (plain[n] - plain[m]).ravel()
            share /= max(((plain[n] - plain[m]) ** 2).sum(), 1e-9)
            line = share * plain[n] + (1 - share) * plain[m]
            target = share * np.eye(3)[labels[n]] + (1 - share) * np.eye(3)[labels[m]]
            fits.append(
                np.allclose(line, mixed.numpy()[n], atol=1e-5) and np.allclose(target, soft.numpy()[n], atol=1e-4)
            )
        assert any(fits)
    again = transform(x, labels, seed=5, epoch=1, samples=SAMPLES)
    assert again[0].numpy().tobytes() == mixed.numpy().tobytes()
    assert (transform(x, labels, seed=5, epoch=2, samples=SAMPLES)[1].numpy() != soft.numpy()).any()
    floats = T.Mixup(0.8)(x, labels.astype(np.float64), seed=5)[1]
    assert floats.dtype == tg.float64
    loss = tg.nn.CrossEntropyLoss()(tg.zeros((7, 3)), soft)
    assert abs(loss.item() - np.log(3)) < 1e-6


@pytest.mark.parametrize("alpha", [0.2, 0.7, 1.0, 2.5, 8.0])
def test_mixup_shares_are_beta(alpha: float) -> None:
    stats = pytest.importorskip("scipy.stats")
    from tilegrad.data.transforms.mixup import _beta

    shares = _beta(alpha, 11, np.arange(3000))
    assert stats.kstest(shares, stats.beta(alpha, alpha).cdf).pvalue > 1e-4


# Errors.

X = np.zeros((2, 8, 8, 3), np.uint8)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: T.RandomCrop(9)(X), tg.ArgumentError, r"RandomCrop\(9\): an image of 8 x 8 .* is 8 x 8, smaller"),
        (lambda: T.RandomCrop(0), tg.ArgumentError, "size must be an integer from 1 up, found 0"),
        (lambda: T.RandomCrop((1, 2, 3)), tg.ArgumentError, "size must be an integer or two"),
        (lambda: T.RandomCrop(3, padding=-1), tg.ArgumentError, "padding must be an integer from 0 up, found -1"),
        (lambda: T.RandomCrop(3, padding_mode="zeros"), tg.ArgumentError, "padding_mode must be 'constant', 'edge' or"),
        (lambda: T.RandomCrop(3, fill=np.nan), tg.ArgumentError, "fill must be a number finite, found nan"),
        (lambda: T.RandomHorizontalFlip(1.5), tg.ArgumentError, "p must be a number from 0 to 1, found 1.5"),
        (lambda: T.RandomVerticalFlip("x"), tg.ArgumentError, "RandomVerticalFlip: p must be a number from 0 to 1"),
        (lambda: T.RandomRotation((3, 2)), tg.ArgumentError, "RandomRotation: degrees must go from the lesser to"),
        (lambda: T.RandomRotation(1, "cubic"), tg.ArgumentError, "interpolation must be 'nearest' or 'bilinear'"),
        (lambda: T.RandomShift(0, (0.05, 0.1))(X), tg.ArgumentError, "no whole number of pixels is from 0.4 to 0.8"),
        (lambda: T.RandomShear(95), tg.ArgumentError, "shear must be a number from 0 to 89, found 95"),
        (lambda: T.RandomAffine(scale=0.9), tg.ArgumentError, "scale must be bounds of the factor"),
        (lambda: T.RandomAffine(scale=(0.0, 1)), tg.ArgumentError, "scale must be a number from 0.001 to 1000"),
        (lambda: T.RandomAffine(shift=3), tg.ArgumentError, r"shift must be two, \(rows, columns\); found 3"),
        (lambda: T.RandomResizedCrop(3, 0.5), tg.ArgumentError, "scale must be bounds"),
        (lambda: T.RandomResizedCrop(3, (0, 1)), tg.ArgumentError, "scale must be a number from 1e-06 to 1, found 0"),
        (lambda: T.ColorJitter(hue=0.6), tg.ArgumentError, "hue must be a number from 0 to 0.5, found 0.6"),
        (lambda: T.ColorJitter(brightness=-1), tg.ArgumentError, "brightness must be a number from 0 to"),
        (lambda: T.ColorJitter(0.1)(X[..., :2]), tg.ArgumentError, "images must have 1 or 3 channels, found 2"),
        (lambda: T.Compose([T.Normalize(0, 1), T.ColorJitter(1)])(X), tg.ArgumentError, "must come before Normalize"),
        (lambda: T.Normalize((1, 2), 1)(X), tg.ArgumentError, "mean has 2 numbers, but the images 3 channels"),
        (lambda: T.Normalize(0, (1, 0, 1)), tg.ArgumentError, "std must be positive"),
        (lambda: T.Normalize([], 1), tg.ArgumentError, "found none"),
        (lambda: T.Cutout(2, 65), tg.ArgumentError, "count must be at most 64, found 65"),
        (lambda: T.Mixup(0), tg.ArgumentError, "alpha must be a number from 0.001 to 64, found 0"),
        (lambda: T.Mixup()(X), tg.ArgumentError, "needs the targets too"),
        (lambda: T.Mixup()(X, np.array([0, 1])), tg.ArgumentError, r"targets int64 \[2\] cannot be blended"),
        (lambda: T.Mixup(classes=2)(X, np.array([0, 2])), IndexError, "label 2 of row 1 is not from 0 to 1"),
        (lambda: T.Compose([T.Mixup(), T.ToFloat()]), tg.ArgumentError, "it must be the last, and once"),
        (lambda: T.Compose([T.ToFloat]), tg.ArgumentError, r"transforms\[0\] must be a .*transforms.Transform"),
        (lambda: T.ToFloat()(X.astype(np.float64)), tg.DTypeError, "images must be uint8 or float32, found float64"),
        (lambda: T.ToFloat()(X[0, 0]), tg.ShapeError, r"images must be \[N, H, W, C\] or \[H, W, C\], found \[8, 3\]"),
        (lambda: T.ToFloat()(X, samples=[1]), tg.ArgumentError, "samples must be 2 whole numbers"),
        (lambda: T.ToFloat()(X, samples=[1, -1]), tg.ArgumentError, "samples must be 2 whole numbers"),
        (lambda: T.Transform()(X), NotImplementedError, "does not say what its steps are"),
    ],
)  # fmt: skip
def test_errors(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_no_step_crashes_the_process() -> None:
    """What Python hands to the native pass is checked again there: values, sizes, rows."""
    from tilegrad import _C

    x, rows, key = tg.tensor(X), tg.tensor(np.array([0, 1])), tg.tensor(np.array([0, 0]))

    def run(step: tuple[Any, ...], rows: Any = rows, **other: Any) -> Any:
        arrays = {"scales": None, "partners": None, "shares": None, **other}
        return _C.augment(x=x, rows=rows, samples=rows, key=key, steps=[step], **arrays)

    good = (0, 1, False, 0.0, 0, 1.0, 4, 4, [0.0, 4.0, 0.0, 4.0])
    assert run(good).shape == (2, 4, 4, 3)
    wrong = [(0, 9), (0, -1), (1, 4), (4, -1), (4, 2**13), (5, 2.0), (5, float("nan")), (6, 0), (7, 2**40),
             (8, [3.0, 1.0]), (8, [float("inf")]), (8, [1e18, 1e18]), (8, [0.0] * 13)]  # fmt: skip
    for place, value in wrong:
        with pytest.raises(tg.ArgumentError, match="augment: "):
            run((*good[:place], value, *good[place + 1 :]))
    for step in ((5, 0, False, 0.0, 0, 1.0, 8, 8, [0.0]), (7, 0, False, 0.0, 0, 1.0, 8, 8, [65.0]),
                 (1, 0, False, 0.0, 0, 1.0, 4, 4, []), (2, 1, False, 0.0, 0, 1.0, 8, 8, [0.0] * 12)):  # fmt: skip
        with pytest.raises(tg.ArgumentError, match="step 0 has sizes or values that no step has"):
            run(step)
    with pytest.raises(IndexError, match=r"rows\[1\] is 2, expected a number from 0 to 1"):
        run(good, tg.tensor(np.array([0, 2])))
    partners = tg.tensor(np.array([0, -1]))
    with pytest.raises(IndexError, match=r"partners\[1\] is -1"):
        run(good, partners=partners, shares=tg.ones(2))
    with pytest.raises(tg.ShapeError, match="shares must be float32"):
        run(good, partners=rows, shares=tg.ones(3))
    with pytest.raises(tg.ShapeError, match=r"scales must be float32 \[K, 2, 3\]"):
        run(good, scales=tg.ones((1, 2, 2)))


def test_a_captured_pass_draws_by_its_key() -> None:
    from tilegrad import _C

    x, rows = tg.tensor(images("uint8")), tg.tensor(np.arange(7))
    steps = T.Compose(LISTS["cifar"]).plan(10, 12, 3, x.dtype).passes[0]

    def step(key: tg.Tensor) -> tg.Tensor:
        return _C.augment(x, rows, rows, key, steps.table, None, None, steps.steps)

    captured = tg.capture(step)
    for epoch in range(4):
        key = tg.tensor(np.array([3, epoch]))
        assert captured(key).numpy().tobytes() == step(key).numpy().tobytes()


def test_transforms_are_offered() -> None:
    assert data.transforms is T
    assert set(T.__all__) <= set(dir(T))
