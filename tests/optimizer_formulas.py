"""The optimizers' formulas in NumPy, float64, with the options and gradients they are compared with."""

from __future__ import annotations

from typing import Any

import numpy as np

import tilegrad as tg
from tilegrad.optim import LAMB, SGD, Adadelta, Adagrad, Adam, AdamW, NAdam, Optimizer, RMSprop

from .targets import device

STEPS = 200
SHAPES = ((3, 5), (), (129,), (0,), (1030,), (2, 1, 7))

CONFIGURATIONS: list[tuple[type[Optimizer], dict[str, Any]]] = [
    (SGD, {"lr": 0.05}),
    (SGD, {"lr": 0.05, "weight_decay": 0.1}),
    (SGD, {"lr": 0.02, "momentum": 0.9}),
    (SGD, {"lr": 0.02, "momentum": 0.9, "dampening": 0.5, "weight_decay": 0.01, "maximize": True}),
    (SGD, {"lr": 0.02, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    (SGD, {"lr": 0.05, "momentum": 0.9, "clip_norm": 3.0}),
    (SGD, {"lr": 0.05, "clip_value": 0.75, "maximize": True}),
    (SGD, {"lr": 0.05, "momentum": 0.5, "weight_decay": 0.1, "l1_decay": 0.2, "decoupled_weight_decay": True}),
    (Adam, {"lr": 0.01}),
    (Adam, {"lr": 0.01, "betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.1}),
    (Adam, {"lr": 0.01, "betas": (0.0, 0.0), "clip_norm": 1.0}),
    (Adam, {"lr": 0.01, "amsgrad": True, "weight_decay": 0.1, "maximize": True}),
    (Adam, {"lr": 0.01, "l1_decay": 0.3, "clip_value": 0.9}),
    (AdamW, {"lr": 0.01}),
    (AdamW, {"lr": 0.01, "weight_decay": 0.5, "clip_norm": 2.0, "amsgrad": True}),
    (NAdam, {"lr": 0.01}),
    (NAdam, {"lr": 0.01, "betas": (0.8, 0.95), "momentum_decay": 0.1, "weight_decay": 0.1, "maximize": True}),
    (NAdam, {"lr": 0.01, "weight_decay": 0.1, "decoupled_weight_decay": True, "clip_norm": 2.0}),
    (Adagrad, {"lr": 0.1}),
    (Adagrad, {"lr": 0.1, "lr_decay": 0.02, "initial_accumulator_value": 0.5, "eps": 1e-3, "weight_decay": 0.1}),
    (Adagrad, {"lr": 0.1, "clip_norm": 2.0, "weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}),
    (RMSprop, {"lr": 0.01}),
    (RMSprop, {"lr": 0.01, "alpha": 0.99, "eps": 1e-3, "weight_decay": 0.1}),
    (RMSprop, {"lr": 0.005, "momentum": 0.5, "clip_norm": 2.0, "maximize": True}),
    (RMSprop, {"lr": 0.01, "centered": True, "eps": 0.1}),
    (RMSprop, {"lr": 0.005, "centered": True, "momentum": 0.5, "eps": 0.1, "l1_decay": 0.1,
               "decoupled_weight_decay": True}),
    (Adadelta, {"lr": 1.0}),
    (Adadelta, {"lr": 0.5, "rho": 0.8, "eps": 1e-3, "weight_decay": 0.1}),
    (Adadelta, {"lr": 0.5, "clip_norm": 2.0, "weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}),
    (LAMB, {"lr": 0.01}),
    (LAMB, {"lr": 0.01, "betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.1, "clip_norm": 2.0}),
    (LAMB, {"lr": 0.01, "weight_decay": 0.0, "l1_decay": 0.2, "clip_value": 0.9, "maximize": True}),
]  # fmt: skip
IDS = [f"{kind.__name__}-{'-'.join(f'{k}={v}' for k, v in options.items())}" for kind, options in CONFIGURATIONS]

DEFAULTS: dict[type[Optimizer], dict[str, Any]] = {
    SGD: {"momentum": 0.0, "dampening": 0.0, "nesterov": False},
    Adam: {"betas": (0.9, 0.999), "eps": 1e-8, "amsgrad": False},
    AdamW: {"betas": (0.9, 0.999), "eps": 1e-8, "amsgrad": False, "weight_decay": 0.01, "decoupled_weight_decay": True},
    NAdam: {"betas": (0.9, 0.999), "eps": 1e-8, "momentum_decay": 4e-3},
    Adagrad: {"lr_decay": 0.0, "initial_accumulator_value": 0.0, "eps": 1e-7},
    RMSprop: {"alpha": 0.9, "eps": 1e-8, "momentum": 0.0, "centered": False},
    Adadelta: {"rho": 0.9, "eps": 1e-6},
    LAMB: {"betas": (0.9, 0.999), "eps": 1e-6, "weight_decay": 0.01},
}
COMMON = {"weight_decay": 0.0, "decoupled_weight_decay": False, "l1_decay": 0.0, "clip_norm": None, "clip_value": None,
          "maximize": False}  # fmt: skip


class NumPyOptimizer:
    """The formulas of the docstrings, written again."""

    def __init__(self, kind: type[Optimizer], parameters: list[np.ndarray], options: dict[str, Any]) -> None:
        self.kind, self.parameters, self.o = kind, parameters, {**COMMON, **DEFAULTS[kind], **options}
        start = self.o.get("initial_accumulator_value", 0.0)
        self.a = [np.full_like(p, start) for p in parameters]
        self.b = [np.zeros_like(p) for p in parameters]
        self.c = [np.zeros_like(p) for p in parameters]
        self.t = 0

    def step(self, gradients: list[np.ndarray]) -> None:
        o = self.o
        self.t += 1
        if o["clip_norm"] is not None:
            norm = np.sqrt(sum((g**2).sum() for g in gradients))
            gradients = [g * min(1.0, o["clip_norm"] / norm) for g in gradients]
        if o["clip_value"] is not None:
            gradients = [np.clip(g, -o["clip_value"], o["clip_value"]) for g in gradients]
        rule: Any = getattr(self, "adam" if self.kind is AdamW else self.kind.__name__.lower())
        for i, (p, given) in enumerate(zip(self.parameters, gradients, strict=True)):
            g = -given if o["maximize"] else given
            decay = o["weight_decay"] * p + o["l1_decay"] * np.sign(p)
            if self.kind is LAMB:
                p -= rule(i, p, g, decay)
            elif o["decoupled_weight_decay"]:
                p -= o["lr"] * decay + o["lr"] * rule(i, g)
            else:
                p -= o["lr"] * rule(i, g + decay)

    def sgd(self, i: int, g: np.ndarray) -> np.ndarray:
        o = self.o
        if not o["momentum"]:
            return g
        self.a[i] = g if self.t == 1 else o["momentum"] * self.a[i] + (1 - o["dampening"]) * g
        return g + o["momentum"] * self.a[i] if o["nesterov"] else self.a[i]

    def moments(self, i: int, g: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        beta1, beta2 = self.o["betas"]
        self.a[i] = beta1 * self.a[i] + (1 - beta1) * g
        self.b[i] = beta2 * self.b[i] + (1 - beta2) * g**2
        return self.a[i], self.b[i]

    def adam(self, i: int, g: np.ndarray) -> np.ndarray:
        beta1, beta2 = self.o["betas"]
        m, v = self.moments(i, g)
        if self.o["amsgrad"]:
            v = self.c[i] = np.maximum(self.c[i], v)
        return m / (1 - beta1**self.t) / (np.sqrt(v / (1 - beta2**self.t)) + self.o["eps"])

    def nadam(self, i: int, g: np.ndarray) -> np.ndarray:
        beta1, beta2 = self.o["betas"]
        b = [beta1 * (1 - 0.5 * 0.96 ** (t * self.o["momentum_decay"])) for t in range(1, self.t + 2)]
        m, v = self.moments(i, g)
        ahead = (1 - b[-2]) / (1 - np.prod(b[:-1])) * g + b[-1] / (1 - np.prod(b)) * m
        return ahead / (np.sqrt(v / (1 - beta2**self.t)) + self.o["eps"])

    def adagrad(self, i: int, g: np.ndarray) -> np.ndarray:
        self.a[i] = self.a[i] + g**2
        return g / (1 + (self.t - 1) * self.o["lr_decay"]) / (np.sqrt(self.a[i]) + self.o["eps"])

    def rmsprop(self, i: int, g: np.ndarray) -> np.ndarray:
        o = self.o
        self.a[i] = o["alpha"] * self.a[i] + (1 - o["alpha"]) * g**2
        self.b[i] = o["alpha"] * self.b[i] + (1 - o["alpha"]) * g
        variance = self.a[i] - self.b[i] ** 2 if o["centered"] else self.a[i]
        self.c[i] = o["momentum"] * self.c[i] + g / (np.sqrt(variance) + o["eps"])
        return self.c[i]

    def adadelta(self, i: int, g: np.ndarray) -> np.ndarray:
        rho, eps = self.o["rho"], self.o["eps"]
        self.a[i] = rho * self.a[i] + (1 - rho) * g**2
        d = np.sqrt(self.b[i] + eps) / np.sqrt(self.a[i] + eps) * g
        self.b[i] = rho * self.b[i] + (1 - rho) * d**2
        return d

    def lamb(self, i: int, p: np.ndarray, g: np.ndarray, decay: np.ndarray) -> np.ndarray:
        beta1, beta2 = self.o["betas"]
        m, v = self.moments(i, g)
        d = m / (1 - beta1**self.t) / (np.sqrt(v / (1 - beta2**self.t)) + self.o["eps"]) + decay
        norms = np.linalg.norm(p), np.linalg.norm(d)
        return self.o["lr"] * (norms[0] / norms[1] if min(norms) > 0 else 1.0) * d


def drawn(dtype: str) -> tuple[list[np.ndarray], list[list[np.ndarray]]]:
    """Parameters, and the gradients of every step: bounded away from 0 so that Adam's quotient is well conditioned."""
    rng = np.random.default_rng(3)
    parameters = [rng.normal(size=shape).astype(dtype) for shape in SHAPES]
    gradients = [
        [np.asarray(rng.choice([-1, 1], size=s) * rng.uniform(0.5, 2.0, size=s)).astype(dtype) for s in SHAPES]
        for _ in range(STEPS)
    ]
    return parameters, gradients


def leaves(arrays: list[np.ndarray]) -> list[tg.Tensor]:
    return [tg.tensor(a, dtype=str(a.dtype), requires_grad=True, device=device()) for a in arrays]


def set_gradients(parameters: list[tg.Tensor], gradients: list[np.ndarray]) -> None:
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = tg.tensor(gradient, dtype=str(gradient.dtype), device=parameter.device)
