"""What `peers` lays before the other methods' Python as `sitecustomize.py`: it runs before their first line.

`LATENT_INR_STAND_INS` names modules that they import and never use with folders of PNG frames; where one is not
installed an empty one stands in. `LATENT_INR_ON_CPU` is for `--smoke` alone: what asks for CUDA by name gets the CPU,
so that their code runs, slowly, on a machine without a GPU.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import os
import sys
import types
from typing import Any

NAMES = tuple(name for name in os.environ.get("LATENT_INR_STAND_INS", "").split(",") if name)


class _Kind(type):
    """A class any of whose attributes is a class of this kind."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Kind(name, (cls,), {})


class _Anything(metaclass=_Kind):
    """Can be made of anything, used as a decorator, and has methods of every name, which do nothing."""

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def __call__(self, first: Any = None, *_: Any, **__: Any) -> Any:
        return first

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Anything()


def _attribute(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    return _Kind(name, (_Anything,), {})


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the named modules, and every module below them, to be empty packages."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        if any(fullname == name or fullname.startswith(f"{name}.") for name in NAMES):
            return importlib.machinery.ModuleSpec(fullname, self, is_package=True)
        return None

    def create_module(self, spec: Any) -> types.ModuleType:
        module = types.ModuleType(spec.name)
        module.__path__ = []
        module.__getattr__ = _attribute  # type: ignore[method-assign]
        return module

    def exec_module(self, module: types.ModuleType) -> None: ...


def _on_cpu() -> None:
    """Sends what is meant for a GPU to the CPU."""
    import torch
    from torch.overrides import TorchFunctionMode

    def is_gpu(value: Any) -> bool:
        return isinstance(value, str | torch.device) and str(value).startswith("cuda")

    class OnCPU(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if func is torch.Tensor.cuda:
                return args[0]
            args = tuple("cpu" if is_gpu(arg) else arg for arg in args)
            kwargs = {name: "cpu" if is_gpu(value) else value for name, value in (kwargs or {}).items()}
            return func(*args, **kwargs)

    OnCPU().__enter__()
    torch.cuda.synchronize = lambda *_: None


if NAMES:
    sys.meta_path.insert(0, _Finder())
if os.environ.get("LATENT_INR_ON_CPU"):
    import itertools

    if not hasattr(itertools, "batched"):  # before Python 3.12, which SIEDD is for

        def batched(items: Any, size: int) -> Any:
            """`itertools.batched`."""
            rest = iter(items)
            while batch := tuple(itertools.islice(rest, size)):
                yield batch

        itertools.batched = batched  # type: ignore[attr-defined]
    _on_cpu()
