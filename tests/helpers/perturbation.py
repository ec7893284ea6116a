"""Another processor's rounding, as far as one processor can have it: `PERTURB=3 make test`.

Short trainings are chaotic: what a processor rounds otherwise becomes another result after some dozen steps. Here every
training begins with weights that are off by about a millionth, by other amounts for each number that `PERTURB` names,
and always by the same ones for the same number. A test that passes with some numbers only asks more than what is
promised. Commands that tests start as processes of their own are not perturbed.
"""

from __future__ import annotations

from typing import Any, TypeVar

import torch

_AMOUNT = 1e-6
_Networks = TypeVar("_Networks", bound=torch.nn.Module)


@torch.no_grad()
def shaken(networks: _Networks, number: int) -> _Networks:
    """The networks, all that is to be learned of them multiplied by about 1."""
    generator = torch.Generator().manual_seed(number)
    for one in networks.parameters():
        if one.requires_grad:
            one.mul_(1 + _AMOUNT * torch.randn(one.shape, generator=generator).to(one.device))
    return networks


def perturb(number: int) -> None:
    """Makes all fits and pretrainings of this process begin a little elsewhere."""
    from fiftyone_latent_inr.fitting import batch, loop
    from fiftyone_latent_inr.pretraining.trainer import Pretraining

    initial, begin = loop.initial_model, Pretraining.__init__

    def initial_model(*arguments: Any, **options: Any) -> Any:
        return shaken(initial(*arguments, **options), number)

    def begin_shaken(self: Pretraining, networks: Any, *arguments: Any, **options: Any) -> None:
        begin(self, shaken(networks, number), *arguments, **options)

    loop.initial_model = batch.initial_model = initial_model
    Pretraining.__init__ = begin_shaken  # type: ignore[method-assign]
