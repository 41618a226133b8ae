"""AlexNet in PyTorch."""

from __future__ import annotations

import torch
from torch import nn


class AlexNet(nn.Module):
    def __init__(self, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 3
        for width, size, stride, padding, pooled in (
            (64, 11, 4, 2, True), (192, 5, 1, 2, True), (384, 3, 1, 1, False), (256, 3, 1, 1, False),
            (256, 3, 1, 1, True),
        ):  # fmt: skip
            layers += [nn.Conv2d(before, width, size, stride, padding), nn.ReLU()]
            layers += [nn.MaxPool2d(3, 2)] if pooled else []
            before = width
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Identity(), nn.Linear(9216, 4096), nn.ReLU(), nn.Identity(), nn.Linear(4096, 4096), nn.ReLU(),
            nn.Linear(4096, classes),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(nn.functional.adaptive_avg_pool2d(self.features(x), 6).flatten(1))
