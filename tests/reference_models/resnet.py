"""ResNet in PyTorch, for large images and for small ones."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    """Convolutions of the given sizes; the stride is that of the first 3 x 3 one."""

    def __init__(self, before: int, widths: list[tuple[int, int]], stride: int, zeros: bool) -> None:
        super().__init__()
        self.count, self.stride, after, first = len(widths), stride, widths[-1][0], True
        self.extra = after - before
        self.downsample = None
        if (stride > 1 or before != after) and not zeros:
            self.downsample = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))
        for number, (width, size) in enumerate(widths, 1):
            step = stride if size == 3 and first else 1
            first = first and size != 3
            setattr(self, f"conv{number}", nn.Conv2d(before, width, size, step, size // 2, bias=False))
            setattr(self, f"bn{number}", nn.BatchNorm2d(width))
            before = width

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x
        for number in range(1, self.count + 1):
            y = getattr(self, f"bn{number}")(getattr(self, f"conv{number}")(y))
            y = F.relu(y) if number < self.count else y
        if self.downsample is not None:
            x = self.downsample(x)
        elif self.extra:
            x = F.pad(
                x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.extra // 2, self.extra - self.extra // 2)
            )
        return F.relu(x + y)


class ResNet(nn.Module):
    def __init__(self, depths: list[int], bottleneck: bool, classes: int, small: bool = False) -> None:
        super().__init__()
        self.small, before = small, 16 if small else 64
        self.conv1 = nn.Conv2d(3, before, 3 if small else 7, 1 if small else 2, 1 if small else 3, bias=False)
        self.bn1 = nn.BatchNorm2d(before)
        self.stages, width = len(depths), before
        for stage, depth in enumerate(depths, 1):
            blocks = nn.Sequential()
            for number in range(depth):
                widths = [(width, 1), (width, 3), (4 * width, 1)] if bottleneck else [(width, 3), (width, 3)]
                blocks.append(Block(before, widths, 2 if stage > 1 and number == 0 else 1, small))
                before = widths[-1][0]
            setattr(self, f"layer{stage}", blocks)
            width *= 2
        self.fc = nn.Linear(before, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        x = x if self.small else F.max_pool2d(x, 3, 2, 1)
        for stage in range(1, self.stages + 1):
            x = getattr(self, f"layer{stage}")(x)
        return self.fc(x.mean((2, 3)))
