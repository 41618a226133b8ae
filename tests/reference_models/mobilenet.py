"""MobileNet-v2 in PyTorch."""

from __future__ import annotations

import torch
from torch import nn

# Table 2 of the paper: expansion t, channels c, repeats n, stride s.
TABLE = [
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
]  # fmt: skip


def unit(before: int, after: int, size: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(before, after, size, stride, size // 2, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(after), nn.ReLU6())


class Block(nn.Module):
    def __init__(self, before: int, after: int, stride: int, t: int) -> None:
        super().__init__()
        self.same = stride == 1 and before == after
        wide = before * t
        expansion = [unit(before, wide, 1)] if t > 1 else []
        self.conv = nn.Sequential(
            *expansion, unit(wide, wide, 3, stride, wide), nn.Conv2d(wide, after, 1, bias=False), nn.BatchNorm2d(after)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.conv(x) if self.same else self.conv(x)


class MobileNetV2(nn.Module):
    def __init__(self, classes: int) -> None:
        super().__init__()
        self.features, before = nn.Sequential(unit(3, 32, 3, 2)), 32
        for t, c, n, s in TABLE:
            for number in range(n):
                self.features.append(Block(before, c, s if number == 0 else 1, t))
                before = c
        self.features.append(unit(before, 1280, 1))
        self.classifier = nn.Sequential(nn.Identity(), nn.Linear(1280, classes))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.features(x).mean((2, 3)))
