"""SOAP for grids and matrices: Adam in the eigenbasis of the gradients' row and column statistics.

Vyas et al., "SOAP: Improving and Stabilizing Shampoo using Adam", 2024 (arXiv 2409.11321). The optimiser is a third
to half of a fit's time here, because a step draws few pixels. Against the library version that the first fits used
(pytorch_optimizer) this one keeps the first moment in the eigenbasis, looks at a tensor as a stack of matrices, leaves
long dimensions alone, and refreshes its statistics every few steps: a step costs half as much, and the same number
of steps reaches the same PSNR within the noise of the seed (`benchmarks/notes.md`). Turning the finest grids, whose
every node sees a few pixels only, gained nothing and cost more than all the rest.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor


class SOAP(torch.optim.Optimizer):
    """SOAP with a basis for each of the last two dimensions of a parameter.

    Vectors get plain Adam. The first step only gathers statistics, as in the paper.

    Args:
        params: parameters or groups; float32.
        lr: learning rate.
        betas: decay of the first and second moments; the second also of the row and column statistics.
        eps: added to the root of the second moment.
        basis_every: steps between two updates of the eigenbases (one QR iteration each).
        statistics_every: steps between two updates of the row and column statistics.
        max_dim: dimensions longer than this keep the identity as their basis.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-2,
        betas: tuple[float, float] = (0.95, 0.95),
        eps: float = 1e-8,
        basis_every: int = 10,
        statistics_every: int = 4,
        max_dim: int = 100,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "basis_every": basis_every,
            "statistics_every": statistics_every,
            "max_dim": max_dim,
        }
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Updates every parameter that has a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, group)

    def _update(self, parameter: Tensor, group: dict[str, Any]) -> None:
        gradient = _stacked(parameter.grad)  # type: ignore[arg-type]
        state = self.state[parameter]
        beta1, beta2 = group["betas"]
        if not state:
            state["step"] = 0
            state["bases"] = [_Basis(gradient, dim, group["max_dim"]) for dim in (-2, -1) if gradient.dim() == 3]
            state["first"] = torch.zeros_like(gradient)
            state["second"] = torch.zeros_like(gradient)
            return
        state["step"] = step = state["step"] + 1
        bases, first, second = state["bases"], state["first"], state["second"]
        if step % group["statistics_every"] == 0:
            for basis in bases:
                basis.observe(gradient, beta2 ** group["statistics_every"])
        rotated = _rotate(gradient, bases, forward=True)
        first.lerp_(rotated, 1 - beta1)
        second.mul_(beta2).addcmul_(rotated, rotated, value=1 - beta2)
        correction = math.sqrt(1 - beta2**step) / (1 - beta1**step)
        # In one and the same basis no ratio can be larger (Cauchy and Schwarz); after a turn it can, without bound
        # where a row has rarely had a gradient, as the latents of a long video
        most = (1 - beta1) / math.sqrt((1 - beta2) * (1 - beta1**2 / beta2))
        ratio = (first / (second.sqrt() + group["eps"])).clamp_(-most, most)
        update = _rotate(ratio, bases, forward=False)
        parameter.sub_(update.view_as(parameter), alpha=group["lr"] * correction)
        if step % group["basis_every"] == 0:
            for basis in bases:
                state["first"], state["second"] = basis.refresh(state["first"], state["second"])


class _Basis:
    """Statistics of one dimension of a stack of matrices and their (approximate) eigenvectors, as columns."""

    def __init__(self, gradient: Tensor, dim: int, max_dim: int) -> None:
        self.dim = dim
        self.active = 1 < gradient.shape[dim] <= max_dim
        if self.active:
            self.statistics = self._outer(gradient)
            # scaled, in double: gradients that all but vanish make statistics that eigh cannot work with
            scaled = self.statistics.double() / self.statistics.max().double().clamp(min=1e-300)
            self.vectors = torch.linalg.eigh(scaled)[1].flip(1).to(gradient.dtype)

    def observe(self, gradient: Tensor, decay: float) -> None:
        if self.active:
            self.statistics.lerp_(self._outer(gradient), 1 - decay)

    def refresh(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """One step of orthogonal iteration; the moments follow, the second's axes only in their order."""
        if not self.active:
            return first, second
        product = (self.statistics / self.statistics.max().clamp(min=1e-30)) @ self.vectors
        order = (self.vectors * product).sum(0).argsort(descending=True)
        vectors = torch.linalg.qr(product[:, order])[0]
        turn = self.vectors.T @ vectors
        self.vectors = vectors
        first = turn.T @ first if self.dim == -2 else first @ turn
        return first, second.index_select(self.dim, order)

    def _outer(self, gradient: Tensor) -> Tensor:
        rows = gradient.transpose(0, self.dim).flatten(1)
        return rows @ rows.T


def _rotate(stack: Tensor, bases: list[_Basis], forward: bool) -> Tensor:
    """(C, rows, cols) into the eigenbases, or back."""
    for basis in bases:
        if basis.active:
            vectors = basis.vectors.T if forward else basis.vectors
            if basis.dim == -1:  # one product for the whole stack
                stack = (stack.reshape(-1, stack.shape[-1]) @ vectors.T).view_as(stack)
            else:
                stack = vectors @ stack
    return stack


def _stacked(gradient: Tensor) -> Tensor:
    """A gradient as a stack of matrices (C, rows, cols); vectors stay vectors."""
    if gradient.dim() < 2:
        return gradient
    return gradient.reshape(-1, *gradient.shape[-2:])
