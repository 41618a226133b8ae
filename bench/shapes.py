"""The shapes that matrix products and convolutions are measured at: those of common networks, and squares."""

from __future__ import annotations

from typing import NamedTuple

# M, N, K and the layouts worth measuring: N as it lies, T transposed, for A and B.
MATMULS: dict[str, list[tuple[int, int, int, str]]] = {
    "square": [(s, s, s, layout) for s in (256, 512, 1024, 2048) for layout in ("NN", "NT", "TN")],
    "network": [
        (128, 256, 784, "NN"), (128, 784, 256, "NT"), (784, 256, 128, "TN"), (128, 10, 256, "NN"),
        (64, 1000, 4096, "NN"), (64, 1000, 4096, "NT"), (50000, 64, 27, "NN"), (65536, 64, 288, "NN"),
        (288, 64, 65536, "TN"),
    ],
    "small": [(s, s, s, layout) for s in (64, 128, 192) for layout in ("NN", "NT", "TN")],
    "vector": [(1, s, s, layout) for s in (512, 1024, 4096) for layout in ("NN", "NT")],
}  # fmt: skip


class Shape(NamedTuple):
    """N images of C channels and H x H pixels; K filters of R x R; stride; padding; groups."""

    N: int
    C: int
    H: int
    K: int
    R: int
    stride: int
    padding: int
    groups: int = 1

    @property
    def P(self) -> int:  # noqa: N802 - the letter of its formula
        return (self.H + 2 * self.padding - self.R) // self.stride + 1

    @property
    def flops(self) -> float:
        return 2.0 * self.N * self.P**2 * self.K * self.R**2 * (self.C // self.groups)

    def __str__(self) -> str:
        groups = f" g{self.groups}" if self.groups > 1 else ""
        sizes = f"{self.N:>3} x {self.H:>3}² x {self.C:>3} -> {self.K:>3}"
        return f"{sizes}, {self.R}x{self.R} s{self.stride} p{self.padding}{groups}"


CONVOLUTIONS = [
    Shape(64, 3, 32, 32, 3, 1, 1), Shape(64, 32, 32, 64, 3, 1, 1), Shape(64, 64, 16, 128, 3, 1, 1),
    Shape(64, 128, 8, 256, 3, 1, 1), Shape(64, 1, 28, 6, 5, 1, 2), Shape(32, 64, 56, 256, 1, 1, 0),
    Shape(32, 64, 56, 64, 3, 1, 1), Shape(32, 128, 28, 128, 3, 2, 1), Shape(8, 3, 224, 64, 7, 2, 3),
    # LeNet-5, batch 128; ResNet-20 for CIFAR-10, batch 128.
    Shape(128, 1, 28, 6, 5, 1, 2), Shape(128, 6, 14, 16, 5, 1, 0),
    Shape(128, 3, 32, 16, 3, 1, 1), Shape(128, 16, 32, 16, 3, 1, 1), Shape(128, 16, 32, 32, 3, 2, 1),
    Shape(128, 16, 32, 32, 1, 2, 0), Shape(128, 32, 16, 64, 3, 2, 1), Shape(128, 32, 16, 64, 1, 2, 0),
    Shape(32, 256, 28, 64, 1, 1, 0), Shape(32, 512, 7, 512, 1, 1, 0),
    # Depthwise and grouped, as in MobileNet and ResNeXt.
    Shape(32, 32, 56, 32, 3, 1, 1, 32), Shape(32, 64, 56, 64, 3, 2, 1, 64), Shape(32, 128, 28, 128, 3, 1, 1, 128),
    Shape(32, 512, 14, 512, 3, 1, 1, 512), Shape(32, 256, 14, 256, 3, 2, 1, 256),
    Shape(32, 64, 28, 64, 3, 1, 1, 2), Shape(32, 128, 28, 128, 3, 1, 1, 32), Shape(32, 256, 14, 256, 3, 2, 1, 8),
]  # fmt: skip
POOLS = [(128, 32, 32), (128, 16, 64), (128, 28, 6), (128, 10, 16)]  # N, H, C; windows of 2 x 2
