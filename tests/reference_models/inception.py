"""GoogLeNet and Inception-v3 in PyTorch."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F


class Unit(nn.Module):
    """Convolution, normalisation, ReLU."""

    def __init__(self, before: int, after: int, size: Any = 1, stride: int = 1, padding: Any = 0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(before, after, size, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(after, eps=0.001)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.bn(self.conv(x)))


def chain(*units: nn.Module) -> nn.Sequential:
    return nn.Sequential(*units)


# Table 1 of the paper: 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool projection; M is pooling.
TABLE = {
    "3a": (64, 96, 128, 16, 32, 32), "3b": (128, 128, 192, 32, 96, 64), "M3": 3,
    "4a": (192, 96, 208, 16, 48, 64), "4b": (160, 112, 224, 24, 64, 64), "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64), "4e": (256, 160, 320, 32, 128, 128), "M4": 2,
    "5a": (256, 160, 320, 32, 128, 128), "5b": (384, 192, 384, 48, 128, 128),
}  # fmt: skip


class Four(nn.Module):
    def __init__(self, before: int, a: int, b0: int, b1: int, c0: int, c1: int, d: int) -> None:
        super().__init__()
        self.branch1 = Unit(before, a)
        self.branch2 = chain(Unit(before, b0), Unit(b0, b1, 3, padding=1))
        self.branch3 = chain(Unit(before, c0), Unit(c0, c1, 3, padding=1))
        self.branch4 = chain(nn.MaxPool2d(3, 1, 1, ceil_mode=True), Unit(before, d))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class Aside(nn.Module):
    def __init__(self, before: int, classes: int) -> None:
        super().__init__()
        self.conv, self.fc1, self.fc2 = Unit(before, 128), nn.Linear(2048, 1024), nn.Linear(1024, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc2(F.relu(self.fc1(self.conv(F.adaptive_avg_pool2d(x, 4)).flatten(1))))


class GoogLeNet(nn.Module):
    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv1, self.conv2, self.conv3 = Unit(3, 64, 7, 2, 3), Unit(64, 64), Unit(64, 192, 3, 1, 1)
        before = 192
        for name, sizes in TABLE.items():
            if isinstance(sizes, tuple):
                setattr(self, f"inception{name}", Four(before, *sizes))
                before = sizes[0] + sizes[2] + sizes[4] + sizes[5]
        self.aux1, self.aux2, self.fc = Aside(512, classes), Aside(528, classes), nn.Linear(1024, classes)

    def forward(self, x: torch.Tensor) -> Any:
        x = F.max_pool2d(self.conv1(x), 3, 2, ceil_mode=True)
        x = F.max_pool2d(self.conv3(self.conv2(x)), 3, 2, ceil_mode=True)
        asides = []
        for name, size in TABLE.items():
            x = F.max_pool2d(x, size, 2, ceil_mode=True) if name[0] == "M" else getattr(self, f"inception{name}")(x)
            if self.training and name in ("4a", "4d"):
                asides.append((self.aux1 if name == "4a" else self.aux2)(x))
        y = self.fc(x.mean((2, 3)))
        return (y, *asides) if asides else y


# Each path of a block as words "name:channels:kernel[/stride]", "same" padding but where the stride is 2; "max" and
# "avg" pool; "a|b" go on side by side.
PATHS = {
    "A": ["branch1x1:64:1", "branch5x5_1:48:1 branch5x5_2:64:5",
          "branch3x3dbl_1:64:1 branch3x3dbl_2:96:3 branch3x3dbl_3:96:3", "avg branch_pool:{c}:1"],
    "B": ["branch3x3:384:3/2", "branch3x3dbl_1:64:1 branch3x3dbl_2:96:3 branch3x3dbl_3:96:3/2", "max"],
    "C": ["branch1x1:192:1", "branch7x7_1:{c}:1 branch7x7_2:{c}:1x7 branch7x7_3:192:7x1",
          "branch7x7dbl_1:{c}:1 branch7x7dbl_2:{c}:7x1 branch7x7dbl_3:{c}:1x7 branch7x7dbl_4:{c}:7x1 "
          "branch7x7dbl_5:192:1x7", "avg branch_pool:192:1"],
    "D": ["branch3x3_1:192:1 branch3x3_2:320:3/2",
          "branch7x7x3_1:192:1 branch7x7x3_2:192:1x7 branch7x7x3_3:192:7x1 branch7x7x3_4:192:3/2", "max"],
    "E": ["branch1x1:320:1", "branch3x3_1:384:1 branch3x3_2a:384:1x3|branch3x3_2b:384:3x1",
          "branch3x3dbl_1:448:1 branch3x3dbl_2:384:3 branch3x3dbl_3a:384:1x3|branch3x3dbl_3b:384:3x1",
          "avg branch_pool:192:1"],
}  # fmt: skip
MIXED = [
    ("5b", "A", 32), ("5c", "A", 64), ("5d", "A", 64), ("6a", "B", 0), ("6b", "C", 128), ("6c", "C", 160),
    ("6d", "C", 160), ("6e", "C", 192), ("7a", "D", 0), ("7b", "E", 0), ("7c", "E", 0),
]  # fmt: skip


class Mixed(nn.Module):
    def __init__(self, before: int, kind: str, c: int) -> None:
        super().__init__()
        self.paths, self.after = [path.format(c=c).split() for path in PATHS[kind]], 0
        for path in self.paths:
            width = [before]
            for step in path:
                if step in ("avg", "max"):
                    continue
                widths = []
                for word in step.split("|"):
                    name, channels, kernel = word.split(":")
                    size, _, stride = kernel.partition("/")
                    rows, _, columns = size.partition("x")
                    R, S = int(rows), int(columns or rows)
                    padding = (0, 0) if stride else (R // 2, S // 2)
                    setattr(self, name, Unit(width[0], int(channels), (R, S), int(stride or 1), padding))
                    widths.append(int(channels))
                width = widths
            self.after += sum(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found = []
        for path in self.paths:
            y = [x]
            for step in path:
                if step == "avg":
                    y = [F.avg_pool2d(x, 3, 1, 1)]
                elif step == "max":
                    y = [F.max_pool2d(x, 3, 2)]
                else:
                    y = [getattr(self, word.split(":")[0])(y[0]) for word in step.split("|")]
            found += y
        return torch.cat(found, 1)


class Head(nn.Module):
    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv0, self.conv1, self.fc = Unit(768, 128), Unit(128, 768, 5), nn.Linear(768, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.conv1(self.conv0(F.avg_pool2d(x, 5, 3))).mean((2, 3)))


class InceptionV3(nn.Module):
    def __init__(self, classes: int) -> None:
        super().__init__()
        self.Conv2d_1a_3x3, self.Conv2d_2a_3x3 = Unit(3, 32, 3, 2), Unit(32, 32, 3)
        self.Conv2d_2b_3x3 = Unit(32, 64, 3, padding=1)
        self.Conv2d_3b_1x1, self.Conv2d_4a_3x3 = Unit(64, 80), Unit(80, 192, 3)
        before = 192
        for name, kind, c in MIXED:
            block = Mixed(before, kind, c)
            setattr(self, f"Mixed_{name}", block)
            before = block.after
        self.AuxLogits, self.fc = Head(classes), nn.Linear(2048, classes)

    def forward(self, x: torch.Tensor) -> Any:
        x = F.max_pool2d(self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x))), 3, 2)
        x = F.max_pool2d(self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x)), 3, 2)
        asides = []
        for name, _, _ in MIXED:
            x = getattr(self, f"Mixed_{name}")(x)
            if self.training and name == "6e":
                asides.append(self.AuxLogits(x))
        y = self.fc(x.mean((2, 3)))
        return (y, *asides) if asides else y
