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
from collections.abc import Iterable, Mapping
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
        batched: the first dimension of every parameter counts networks, each with statistics and bases of its own.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-2,
        betas: tuple[float, float] = (0.9, 0.97),
        eps: float = 1e-8,
        basis_every: int = 10,
        statistics_every: int = 4,
        max_dim: int = 100,
        batched: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "basis_every": basis_every,
            "statistics_every": statistics_every,
            "max_dim": max_dim,
            "batched": batched,
        }
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Updates every parameter that has a gradient."""
        for group in self.param_groups:
            ready = [one for one in group["params"] if one.grad is not None and self._has_begun(one, group)]
            # On a GPU launching a kernel costs more than running it: one does for all parameters. On a CPU it is
            # parameter by parameter, which keeps a parameter's moments in the cache.
            size = len(ready) if ready and ready[0].is_cuda else 1
            for first in range(0, len(ready), max(size, 1)):
                self._update(ready[first : first + size], group)

    def state_tensors(self) -> dict[str, Tensor]:
        """All that the next step depends on besides the parameters: tensors by name, to be stored."""
        found: dict[str, Tensor] = {}
        for k, parameter in enumerate(self._parameters()):
            state = self.state[parameter]
            if not state:
                continue
            found |= {
                f"{k}.step": torch.tensor(state["step"]),
                f"{k}.first": state["first"],
                f"{k}.second": state["second"],
            }
            for basis in state["bases"]:
                if basis.active:
                    found[f"{k}.statistics{basis.dim}"], found[f"{k}.vectors{basis.dim}"] = (
                        basis.statistics,
                        basis.vectors,
                    )
        return found

    @torch.no_grad()
    def load_state_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """The inverse of `state_tensors`, for an optimiser of the same parameters.

        Raises:
            KeyError, RuntimeError: they are those of other parameters.
        """
        groups = [group for group in self.param_groups for _ in group["params"]]
        for k, (parameter, group) in enumerate(zip(self._parameters(), groups, strict=True)):
            self.state[parameter].clear()
            if f"{k}.step" not in tensors:
                continue
            parameter.grad = torch.zeros_like(parameter)
            self._has_begun(parameter, group)
            parameter.grad = None
            state = self.state[parameter]
            state["step"] = int(tensors[f"{k}.step"])
            for name in ("first", "second"):
                state[name].copy_(tensors[f"{k}.{name}"])
            for basis in state["bases"]:
                if basis.active:
                    basis.statistics.copy_(tensors[f"{k}.statistics{basis.dim}"])
                    basis.vectors.copy_(tensors[f"{k}.vectors{basis.dim}"])

    def _parameters(self) -> list[Tensor]:
        return [parameter for group in self.param_groups for parameter in group["params"]]

    def _has_begun(self, parameter: Tensor, group: dict[str, Any]) -> bool:
        """Whether a parameter has statistics; where not, they are begun and the parameter waits."""
        state = self.state[parameter]
        if state:
            return True
        gradient = _stacked(parameter.grad, group["batched"])  # type: ignore[arg-type]
        lead = int(group["batched"])
        state["step"] = 0
        is_stack = gradient.dim() == 3 + lead
        state["bases"] = [_Basis(gradient, dim, group["max_dim"]) for dim in (-2, -1) if is_stack]
        state["first"] = torch.zeros_like(gradient)
        state["second"] = torch.zeros_like(gradient)
        return False

    def _update(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        """One step of parameters that are as old as each other."""
        beta1, beta2 = group["betas"]
        states = [self.state[parameter] for parameter in parameters]
        step = states[0]["step"] + 1
        rotated = []
        for parameter, state in zip(parameters, states, strict=True):
            state["step"] = step
            gradient = _stacked(parameter.grad, group["batched"])  # type: ignore[arg-type]
            if step % group["statistics_every"] == 0:
                for basis in state["bases"]:
                    basis.observe(gradient, beta2 ** group["statistics_every"])
            rotated.append(_rotate(gradient, state["bases"], forward=True))
        first, second = ([state[name] for state in states] for name in ("first", "second"))
        torch._foreach_lerp_(first, rotated, 1 - beta1)
        torch._foreach_mul_(second, beta2)
        torch._foreach_addcmul_(second, rotated, rotated, value=1 - beta2)
        correction = math.sqrt(1 - beta2**step) / (1 - beta1**step)
        # In one and the same basis no ratio can be larger (Cauchy and Schwarz); after a turn it can, without bound
        # where a row has rarely had a gradient, as the latents of a long video
        most = (1 - beta1) / math.sqrt((1 - beta2) * (1 - beta1**2 / beta2))
        scale = torch._foreach_sqrt(second)
        torch._foreach_add_(scale, group["eps"])
        ratios = torch._foreach_div(first, scale)
        torch._foreach_clamp_min_(ratios, -most)
        torch._foreach_clamp_max_(ratios, most)
        updates = [_rotate(ratio, state["bases"], forward=False) for ratio, state in zip(ratios, states, strict=True)]
        turned = [update.view_as(parameter) for update, parameter in zip(updates, parameters, strict=True)]
        torch._foreach_sub_(parameters, turned, alpha=group["lr"] * correction)
        if step % group["basis_every"] == 0:
            for state in states:
                for basis in state["bases"]:
                    state["first"], state["second"] = basis.refresh(state["first"], state["second"])


class _Basis:
    """Statistics of one dimension of a stack of matrices and their (approximate) eigenvectors, as columns.

    Both are (rows, rows), or (N, rows, rows) of N networks.
    """

    def __init__(self, gradient: Tensor, dim: int, max_dim: int) -> None:
        self.dim = dim
        self.active = 1 < gradient.shape[dim] <= max_dim
        if self.active:
            self.statistics = self._outer(gradient)
            # scaled, in double: gradients that all but vanish make statistics that eigh cannot work with
            scaled = self.statistics.double() / _peak(self.statistics).double().clamp(min=1e-300)
            self.vectors = torch.linalg.eigh(scaled)[1].flip(-1).to(gradient.dtype)

    def observe(self, gradient: Tensor, decay: float) -> None:
        if self.active:
            self.statistics.lerp_(self._outer(gradient), 1 - decay)

    def refresh(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """One step of orthogonal iteration; the moments follow, the second's axes only in their order."""
        if not self.active:
            return first, second
        scaled = self.statistics / _peak(self.statistics).clamp(min=1e-30)
        product = scaled @ self.vectors
        order = (self.vectors * product).sum(-2).argsort(dim=-1, descending=True)
        if order.dim() == 1:
            vectors = torch.linalg.qr(product[:, order])[0]
        elif product.is_cuda:
            vectors = orthonormal(scaled, self.vectors.take_along_dim(order[:, None], -1))
        else:
            vectors = torch.linalg.qr(product.take_along_dim(order[:, None], -1))[0]
        turn = self.vectors.mT @ vectors
        self.vectors = vectors
        first = _of_stack(turn.mT, first) @ first if self.dim == -2 else first @ _of_stack(turn, first)
        if order.dim() == 1:
            return first, second.index_select(self.dim, order)
        order = order[:, None, :, None] if self.dim == -2 else order[:, None, None, :]
        return first, second.take_along_dim(order, self.dim).contiguous()

    def _outer(self, gradient: Tensor) -> Tensor:
        rows = gradient.transpose(-3, self.dim).flatten(-2)
        return rows @ rows.mT


def orthonormal(scaled: Tensor, vectors: Tensor) -> Tensor:
    """What QR makes of `scaled @ vectors`, of many small matrices in a few launches: CholeskyQR, twice, in double.

    On a GPU, QR goes through a batch matrix by matrix. Next to nothing is added to the diagonal: it does not change
    the eigenvectors, and bounds how badly conditioned the product of a singular matrix can be.

    Args:
        scaled: (N, rows, rows) symmetric, not negative, its largest entry 1 or it is zero.
        vectors: (N, rows, rows), orthonormal columns.

    Returns:
        (N, rows, rows), orthonormal columns.
    """
    wide = vectors.double()
    columns = scaled.double() @ wide + 1e-6 * wide
    for _ in range(2):
        columns = columns / columns.norm(dim=-2, keepdim=True)
        lower = torch.linalg.cholesky_ex(columns.mT @ columns)[0]
        columns = torch.linalg.solve_triangular(lower.mT, columns, upper=True, left=False)
    return columns.to(vectors.dtype)


def _peak(matrices: Tensor) -> Tensor:
    return matrices.amax((-2, -1), keepdim=True)


def _of_stack(matrix: Tensor, stack: Tensor) -> Tensor:
    """A matrix, or one of each network, for products with all of a stack (C, rows, cols) or (N, C, rows, cols)."""
    return matrix if stack.dim() == 3 else matrix.unsqueeze(-3)


def _rotate(stack: Tensor, bases: list[_Basis], forward: bool) -> Tensor:
    """(C, rows, cols) into the eigenbases, or back."""
    for basis in bases:
        if basis.active:
            vectors = basis.vectors.mT if forward else basis.vectors
            if basis.dim == -1:  # one product for the whole stack
                stack = (stack.flatten(-3, -2) @ vectors.mT).view_as(stack)
            else:
                stack = _of_stack(vectors, stack) @ stack
    return stack


def _stacked(gradient: Tensor, batched: bool) -> Tensor:
    """A gradient as a stack of matrices (C, rows, cols), of N networks (N, C, rows, cols); vectors stay vectors."""
    lead = gradient.shape[: int(batched)]
    if gradient.dim() < 2 + len(lead):
        return gradient
    return gradient.reshape(*lead, -1, *gradient.shape[-2:])
