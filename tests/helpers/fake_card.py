"""A card that is not there: tensors that say `cuda:0` and have no numbers, and object to what a card objects to.

Inside `fake_card()` an operation on tensors of two devices raises, and so do random numbers from a generator that is
elsewhere; copies between host and card, and numbers that are read from it, are written down: each makes a step wait.
Gradients are zeros, since autograd would ask the driver.
"""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch

import fiftyone_latent_inr
from fiftyone_latent_inr.fitting import batch, loop, objective
from fiftyone_latent_inr.model import LatentINR

try:
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves
except ImportError:  # none of them is promised to stay where it is
    pytest.skip("this torch has its fake tensors elsewhere", allow_module_level=True)

_PACKAGE = str(Path(fiftyone_latent_inr.__file__).parent)
# Operations that launch nothing.
_FREE = (
    *(
        "view",
        "_unsafe_view",
        "expand",
        "permute",
        "transpose",
        "t",
        "unsqueeze",
        "squeeze",
        "slice",
        "select",
        "split",
    ),
    *("split_with_sizes", "unbind", "detach", "alias", "as_strided", "device", "size", "lift_fresh"),
)


class Generator:
    """Takes the place of a generator on a card, which would ask the driver."""

    def __init__(self, device: torch.device | str) -> None:
        self.device = torch.device(device)


class Watch(TorchDispatchMode):
    """What goes to the card: launches by operation, and (kind, place) of what a step would wait for."""

    def __init__(self) -> None:
        super().__init__()
        self.launches: Counter[str] = Counter()
        self.waits: list[tuple[str, str]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = str(func).split(".")[1]
        before = _kinds((args, kwargs))
        if name == "_local_scalar_dense":
            if "cuda" in before:
                self._wait("read")
            return 1.0 if args[0].is_floating_point() else 1
        out = func(*args, **(kwargs or {}))
        kinds = before | _kinds(out)
        if name in ("_to_copy", "copy_") and kinds == {"cpu", "cuda"}:
            self._wait("copied")
        if name in ("nonzero", "masked_select", "_unique2") and "cuda" in before:
            self._wait("read")
        if "cuda" in kinds and name not in _FREE:
            self.launches[name] += 1
        return out

    def _wait(self, kind: str) -> None:
        ours = [one for one in traceback.extract_stack() if one.filename.startswith(_PACKAGE)]
        place = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "the test"
        self.waits.append((kind, place))


def _kinds(tree: Any) -> set[str]:
    return {one.device.type for one in tree_leaves(tree) if isinstance(one, torch.Tensor)}


def _checked(real: Callable[..., Any]) -> Callable[..., Any]:
    def draw(*size: Any, generator: Any = None, device: Any = "cpu", **options: Any) -> Any:
        if generator is not None and torch.device(generator.device).type != torch.device(device).type:
            raise RuntimeError(f"expected a generator on {device}, not on {generator.device}")
        return real(*size, device=device, **options)

    return draw


def _backward(loss: objective.Loss, parameters: list[torch.Tensor], *inputs: Any) -> torch.Tensor:
    errors: torch.Tensor = loss.function(*inputs)[1]
    for one in parameters:
        if one.grad is None:
            one.grad = torch.zeros_like(one)
    return errors


def _moved(self: torch.nn.Module, device: torch.device | str) -> torch.nn.Module:
    """`Module.to`: parameters without numbers cannot be moved in place."""
    for module in list(self.modules()):
        for name, one in list(module.named_parameters(recurse=False)):
            setattr(module, name, torch.nn.Parameter(one.detach().to(device), one.requires_grad))
    return self


@contextmanager
def fake_card() -> Iterator[Watch]:
    """A program whose card has no numbers; what goes there is watched."""
    watch = Watch()
    replaced = {
        "generator_on": lambda device, seed: Generator(device),
        "random_model": lambda shape, seed: LatentINR(shape),
    }
    with ExitStack() as stack:
        for module in (loop, batch):
            stack.enter_context(mock.patch.multiple(module, **replaced))
        stack.enter_context(mock.patch.object(objective.Loss, "backward", _backward))
        stack.enter_context(mock.patch.object(torch, "rand", _checked(torch.rand)))
        stack.enter_context(mock.patch.object(torch, "randperm", _checked(torch.randperm)))
        stack.enter_context(mock.patch.dict("os.environ", LATENT_INR_COMPILE="0", LATENT_INR_KERNELS="0"))
        stack.enter_context(mock.patch.object(torch.nn.Module, "to", _moved))
        stack.enter_context(FakeTensorMode(allow_non_fake_inputs=True))
        stack.enter_context(watch)
        yield watch
