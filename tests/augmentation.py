"""The transforms of tilegrad.data.transforms written again in NumPy, float64, one image and one transform at a time."""

from __future__ import annotations

import colorsys
from typing import Any

import numpy as np

from tilegrad.data import transforms as T

from .philox import blocks

PURPOSE = 0x7472616E73  # "trans": keeps the draws apart from those of the shuffle


def derived_seed(seed: int, key: int) -> int:
    block = blocks(seed, key, np.array([2**64 - 1], np.uint64))[0]
    return (int(block[0]) << 32 | int(block[1])) >> 1


class Draws:
    """The draws of one transform for one sample."""

    def __init__(self, seed: int, epoch: int, sample: int, place: int) -> None:
        self.seed, self.epoch, self.first = derived_seed(seed, PURPOSE), epoch, sample + (place << 44)

    def _words(self, i: int) -> tuple[int, int]:
        index = np.array([self.first + ((i // 2) << 56)], np.uint64)
        block = blocks(self.seed, self.epoch, index)[0]
        return int(block[2 * (i % 2)]), int(block[2 * (i % 2) + 1])

    def uniform(self, i: int) -> float:
        high, low = self._words(i)
        return ((high >> 5) * 2**26 + (low >> 6)) / 2**53

    def between(self, i: int, bounds: tuple[float, float]) -> float:
        return bounds[0] + (bounds[1] - bounds[0]) * self.uniform(i)

    def whole(self, i: int, low: int, high: int) -> int:
        first, second = self._words(i)
        return low + ((first << 32 | second) * (high - low + 1) >> 64)

    def taken(self, p: float) -> bool:
        return p >= 1 or self.uniform(510) < p


def sampled(
    image: np.ndarray, rows: np.ndarray, columns: np.ndarray, mode: str, fill: float, nearest: bool
) -> np.ndarray:
    """The image at these places, [..., C]."""
    H, W, _ = image.shape
    if nearest:  # in the middle between two pixels the second, however that is rounded
        rows, columns = np.floor(rows + 0.5 + 1e-7), np.floor(columns + 0.5 + 1e-7)
    outside = (rows < -0.5) | (rows >= H - 0.5) | (columns < -0.5) | (columns >= W - 0.5)
    places = []
    for at, size in ((rows, H), (columns, W)):
        if mode == "reflect":
            period = max(2 * (size - 1), 1)
            at = np.abs(at) % period if size > 1 else np.zeros_like(at)
            at = np.where(at > size - 1, period - at, at)
        at = np.clip(at, 0, size - 1)
        low = np.floor(at).astype(int)
        places.append((low, np.minimum(low + 1, size - 1), (at - low)[..., None]))
    (top, bottom, down), (left, right, across) = places
    upper = image[top, left] * (1 - across) + image[top, right] * across
    lower = image[bottom, left] * (1 - across) + image[bottom, right] * across
    result = upper * (1 - down) + lower * down
    if mode == "constant":
        result[outside] = fill
    return result


def grid(P: int, Q: int) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = np.meshgrid(np.arange(P, dtype=float), np.arange(Q, dtype=float), indexing="ij")
    return rows, columns


def affine_matrix(t: Any, draws: Draws, H: int, W: int) -> np.ndarray:
    """3 x 3: where a place (column, row, 1) of the image goes."""
    angle = np.deg2rad(draws.between(0, t._degrees))
    shift = []
    for i, ((bounds, pixels), size) in enumerate(zip(t._shift, (H, W), strict=True)):
        shift.append(draws.between(1 + i, bounds if pixels else (bounds[0] * size, bounds[1] * size)))
    factor = draws.between(3, t._scale)
    along, down = (np.deg2rad(draws.between(4 + i, t._shear[i])) for i in (0, 1))
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    shear = np.array([[1, 0], [-np.tan(down), 1]]) @ np.array([[1, -np.tan(along)], [0, 1]])
    middle = np.eye(3)
    middle[:2, 2] = (W - 1) / 2, (H - 1) / 2
    linear = np.eye(3)
    linear[:2, :2] = factor * turn @ shear
    moved = np.eye(3)
    moved[:2, 2] = shift[1], shift[0]
    return moved @ middle @ linear @ np.linalg.inv(middle)


def warped(image: np.ndarray, matrix: np.ndarray, t: Any) -> np.ndarray:
    rows, columns = grid(*image.shape[:2])
    inverse = np.linalg.inv(matrix)
    at = np.einsum("ij,jpq->ipq", inverse, np.stack([columns, rows, np.ones_like(rows)]))
    return sampled(image, at[1], at[0], t._border, t._fill, t._nearest)


def resized(image: np.ndarray, box: tuple[float, ...], size: tuple[int, int], nearest: bool) -> np.ndarray:
    rows, columns = grid(*size)
    top, left, height, width = box
    rows, columns = top + (rows + 0.5) * height / size[0] - 0.5, left + (columns + 0.5) * width / size[1] - 0.5
    return sampled(image, rows, columns, "edge", 0, nearest)


def resized_crop(t: Any, draws: Draws, image: np.ndarray) -> np.ndarray:
    H, W = image.shape[:2]
    for attempt in range(10):
        area = draws.between(4 * attempt, t._scale) * H * W
        ratio = np.exp(draws.between(4 * attempt + 1, tuple(np.log(t._ratio))))
        w, h = round(np.sqrt(area * ratio)), round(np.sqrt(area / ratio))
        if 1 <= w <= W and 1 <= h <= H:
            box = (draws.whole(4 * attempt + 2, 0, H - h), draws.whole(4 * attempt + 3, 0, W - w), h, w)
            break
    else:
        w, h = W, H
        if t._ratio[0] > W / H:
            h = max(round(W / t._ratio[0]), 1)
        if t._ratio[1] < W / H:
            w = max(round(H * t._ratio[1]), 1)
        box = ((H - h) // 2, (W - w) // 2, h, w)
    return resized(image, box, t._size, t._nearest)


def crop(image: np.ndarray, row: int, column: int, size: tuple[int, int], t: Any) -> np.ndarray:
    rows, columns = grid(*size)
    return sampled(image, rows + row, columns + column, t._border, t._fill, False)


def jittered(t: Any, draws: Draws, image: np.ndarray, largest: float) -> np.ndarray:
    order, number = [0, 1, 2, 3], draws.whole(4, 0, 23)
    for i in (3, 2, 1):
        number, j = divmod(number, i + 1)
        order[i], order[j] = order[j], order[i]
    C = image.shape[2]
    for change in order:
        size = draws.between(change, t._bounds[change])
        grey = image @ [0.299, 0.587, 0.114] if C == 3 else image[..., 0]
        if change == 0:
            image = np.clip(image * size, 0, largest)
        elif change == 1:
            image = np.clip(size * image + (1 - size) * grey.mean(), 0, largest)
        elif change == 2 and C == 3:
            image = np.clip(size * image + (1 - size) * grey[..., None], 0, largest)
        elif change == 3 and C == 3:
            hsv = [colorsys.rgb_to_hsv(*pixel) for pixel in image.reshape(-1, 3)]
            image = np.array([colorsys.hsv_to_rgb((h + size) % 1, s, v) for h, s, v in hsv]).reshape(image.shape)
    return image


def cut(t: Any, draws: Draws, image: np.ndarray) -> np.ndarray:
    image = image.copy()
    for box in range(t._count):
        row, column = draws.whole(2 * box, 0, image.shape[0] - 1), draws.whole(2 * box + 1, 0, image.shape[1] - 1)
        top, left = row - t._size[0] // 2, column - t._size[1] // 2
        image[max(top, 0) : max(top + t._size[0], 0), max(left, 0) : max(left + t._size[1], 0)] = t._fill
    return image


def transformed(t: Any, draws: Draws, image: np.ndarray, largest: float) -> tuple[np.ndarray, float]:
    """One transform of one image [H, W, C], and the largest value that it then has."""
    H, W = image.shape[:2]
    if isinstance(t, T.RandomCrop):
        top, bottom, left, right = t._padding
        row = draws.whole(0, -top, H + bottom - t._size[0])
        column = draws.whole(1, -left, W + right - t._size[1])
        return crop(image, row, column, t._size, t), largest
    if isinstance(t, T.CenterCrop):
        return crop(image, (H - t._size[0]) // 2, (W - t._size[1]) // 2, t._size, t), largest
    if isinstance(t, T.RandomHorizontalFlip):
        axis = 0 if isinstance(t, T.RandomVerticalFlip) else 1
        return np.flip(image, axis) if draws.taken(t._p) else image, largest
    if isinstance(t, T.RandomShift) and t.interpolation == "nearest":
        places = []
        for i, ((bounds, pixels), size) in enumerate(zip(t._map._shift, (H, W), strict=True)):
            low, high = bounds if pixels else (bounds[0] * size, bounds[1] * size)
            places.append(draws.whole(i, -int(np.floor(high)), -int(np.ceil(low))))
        return crop(image, places[0], places[1], (H, W), t._map), largest
    if isinstance(t, (T.RandomAffine, T.RandomRotation, T.RandomShift, T.RandomShear)):
        t = getattr(t, "_map", t)
        return warped(image, affine_matrix(t, draws, H, W), t), largest
    if isinstance(t, T.Resize):
        size = t._size
        if not isinstance(t.size, tuple):
            size = (size[0] * H // min(H, W), size[0] * W // min(H, W))
        return resized(image, (0, 0, H, W), size, t._nearest), largest
    if isinstance(t, T.RandomResizedCrop):
        return resized_crop(t, draws, image), largest
    if isinstance(t, T.ColorJitter):
        return jittered(t, draws, image, largest), largest
    if isinstance(t, T.Cutout):
        return cut(t, draws, image), largest
    if isinstance(t, T.ToFloat):
        return image / largest, 1.0
    assert isinstance(t, T.Normalize)
    return (image - np.array(t._mean)) / np.array(t._std), np.nan


def reference(transforms: list[Any], images: np.ndarray, seed: int, epoch: int, samples: Any) -> np.ndarray:
    """The batch, each transform of each image after the other."""
    results = []
    for image, sample in zip(images, samples, strict=True):
        largest = 255.0 if images.dtype == np.uint8 else 1.0
        current = image.astype(np.float64)
        for place, t in enumerate(transforms):
            current, largest = transformed(t, Draws(seed, epoch, int(sample), place), current, largest)
        results.append(current)
    return np.stack(results)
