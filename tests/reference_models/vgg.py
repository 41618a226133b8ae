"""VGG in PyTorch."""

from __future__ import annotations

import torch
from torch import nn

LETTERS = {
    11: "64 M 128 M 256 256 M 512 512 M 512 512 M",
    16: "64 64 M 128 128 M 256 256 256 M 512 512 512 M 512 512 512 M",
    19: "64 64 M 128 128 M 256 256 256 256 M 512 512 512 512 M 512 512 512 512 M",
}


class VGG(nn.Module):
    def __init__(self, layers: int, norm: bool, classes: int, hidden: int = 4096) -> None:
        super().__init__()
        self.features, before = nn.Sequential(), 3
        for word in LETTERS[layers].split():
            if word == "M":
                self.features.append(nn.MaxPool2d(2))
                continue
            self.features.append(nn.Conv2d(before, int(word), 3, padding=1))
            if norm:
                self.features.append(nn.BatchNorm2d(int(word)))
            self.features.append(nn.ReLU())
            before = int(word)
        self.classifier = nn.Sequential(
            nn.Linear(25088, hidden), nn.ReLU(), nn.Identity(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Identity(),
            nn.Linear(hidden, classes),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(nn.functional.adaptive_avg_pool2d(self.features(x), 7).flatten(1))
