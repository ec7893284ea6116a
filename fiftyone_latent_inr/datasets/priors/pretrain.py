"""`pretrain` for whatever is given to it. Imports FiftyOne only where a collection of its samples is."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ...priors.prior import Prior


def pretrain(sources: Any, **options: Any) -> Prior:
    """Trains hypernetwork, field and encoders over many videos; fits with `prior=` then start from them.

    Args:
        sources: a FiftyOne dataset or view, see `datasets.priors.pretrain_dataset`; or paths, arrays or a folder, see
            `pretraining.pretrain`.
        **options: arguments of the one or the other: `preset`, `config`, `teacher`, `validation`, `output_dir`,
            `resume`, `device`, `seed`, `progress`, `licences`, and for a dataset `licence_field` and `name`.

    Returns:
        The prior; its `notes` say what it was trained on and what was measured.

    Raises:
        InputError: there is no video that can be read, or a bad argument.
        TeacherUnavailableError: the teacher's weights cannot be had.

    Example:
        >>> prior = linr.pretrain("videos", teacher="small", output_dir="prior")      # doctest: +SKIP
        >>> linr.fit("clip.mp4", preset="fast", prior="prior").metrics["psnr"]        # doctest: +SKIP
    """
    # There is no collection where FiftyOne has not been imported, which takes seconds
    collections = sys.modules.get("fiftyone.core.collections")
    if collections is not None and isinstance(sources, collections.SampleCollection):
        from .pretrain_dataset import pretrain_dataset

        return pretrain_dataset(sources, **options)
    from ...pretraining.pretrain import pretrain as pretrain_files

    return pretrain_files(sources, **options)
