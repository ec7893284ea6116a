"""`refine_video`: a stored video in, the same one out, better for as many bytes; the old one where it is not.

stored video, its source --is it the source?--> Refinement: its groups of frames --better?--> LatentVideo
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .. import arguments
from ..devices import describe_device, one_thread, pick_training_device
from ..errors import InputError
from ..files import digest_of, require_file
from ..fitting import PRESETS, FitConfig, fit_frames, resolve
from ..held_folder import HeldFolder, held
from ..latent_video.video import LatentVideo, load
from ..progress import FitProgress, ProgressCallback, lets_listener_raise, reporting, tell
from ..torch_settings import plain_torch
from ..video.footage import Footage, Source
from .checkpoint import Checkpoint, discard, parts_of
from .fit import fit_groups
from .refinement import Refinement, fits_architecture, psnr_of
from .request import FitRequest

# In dB: what is stored is no further from its own source than it was when it was fitted, whatever the machine.
_SAME = 1.0
# Steps of a trial of which the second half is timed, and the share of the minutes that is planned with.
_TRIAL_STEPS, _PLANNED = 40, 0.95


@lets_listener_raise
def refine_video(  # noqa: PLR0913
    video: str | os.PathLike[str] | LatentVideo,
    *,
    source: Source | None = None,
    preset: str | None = None,
    minutes: float | None = None,
    quality: float | None = None,
    config: FitConfig | None = None,
    device: str | None = None,
    seed: int = 0,
    progress: bool | ProgressCallback = True,
    if_busy: str = "refuse",
    metadata: Mapping[str, Any] | None = None,
) -> LatentVideo:
    """Goes on with the fit of a stored video, from the numbers that it has, in the groups of frames that it has.

    What comes out is kept only if it is better: a higher PSNR in no more bytes, or fewer bytes at no lower PSNR; where
    both have grown, if the squared error falls at least as the bytes grow (3.01 dB for twice the bytes). Both are
    measured on what is stored. Otherwise the old video stays, byte for byte. Embeddings are those of before to the last
    bit, as semantic latents and head stay as they are: no teacher is needed, and no index is to be built anew.

    Args:
        video: path of a `.linr` file, which is replaced in one step if the result is better; or a `LatentVideo`, which
            is left as it is.
        source: the video that it was fitted to, as for `fit`. None for the file beside `video` that its header names.
        preset: name of the preset whose steps and weight of the bytes are taken; its networks must be those of the
            file, which no other preset's are of one that was made without steps (`instant`). None for the file's own;
            unless a quality is asked for, too, the file's own bytes are then aimed at.
        minutes: wall time to spend, above 0, in place of the preset's steps; how many steps that is is told by a short
            trial. The result then hangs on the machine's speed.
        quality: 0 to 100, as in `fit`.
        config: settings to use instead of the preset's.
        device: torch device; by default the GPU where there is one.
        seed: a seed gives the same result, on the same kind of CPU, unless `minutes` are given.
        progress: a bar on standard error, a callback for `FitProgress` events, or nothing.
        if_busy: what to do while another process is at work on the file: `refuse`, or `wait`. Of a path only.
        metadata: JSON-able notes to add to the file's.

    Returns:
        The better video; else the one that was there: `video` itself, or what `load` gives of the path.

        Of a path, the finished groups of a long video are kept beside it until then, and the same call goes on where it
        was stopped or killed.

    Raises:
        InputError: `source` is not what was fitted, or is not to be found; the preset's networks are others; a bad
            argument; the file cannot be written (known before the fit begins).
        BitstreamError: the file is damaged.

    Example:
        >>> video = linr.refine("clip.linr", source="clip.mp4", preset="fast")  # doctest: +SKIP
        >>> video.metrics["psnr"], video.metrics["bytes"]                       # doctest: +SKIP
    """
    asked = _Asked.of(preset, minutes, quality, config, device, seed, metadata)
    if isinstance(video, LatentVideo):
        return _refined(video, source, asked, None, progress)
    arguments.choice("if_busy", if_busy, ("refuse", "wait"))
    path = require_file(video, "latent video (.linr)")
    with held(parts_of(path), if_busy, what="a fit or refinement", follow=False) as parts:
        old = load(path)
        new = _refined(old, _source_beside(old, path) if source is None else source, asked, parts, progress)
        if new is not old:
            new.save(path)
        discard(parts)
    return new


def check_options(preset: Any, minutes: Any, quality: Any, config: Any, seed: Any) -> None:
    """Checks arguments of `refine_video`, before the first of many videos.

    Raises:
        InputError: one is out of range, or of another type.
    """
    _Asked.of(preset, minutes, quality, config, "cpu", seed, None)


@dataclass(frozen=True)
class _Asked:
    """What is asked of a refinement, each part right in itself; attributes as the arguments of `refine_video`."""

    preset: str | None
    minutes: float | None
    quality: float | None
    config: FitConfig | None
    device: torch.device
    seed: int
    metadata: Mapping[str, Any]

    @classmethod
    def of(cls, preset: Any, minutes: Any, quality: Any, config: Any, device: Any, seed: Any, metadata: Any) -> _Asked:
        if preset is not None or config is not None:
            resolve(preset, config, quality)
        elif quality is not None:
            arguments.number("quality", quality, 0, 100)
        if minutes is not None:
            minutes = arguments.number("minutes", minutes, 0, 1e6, above=True)
        chosen, notes = pick_training_device(device), arguments.notes("metadata", metadata)
        return cls(preset, minutes, quality, config, chosen, arguments.seed(seed), notes)

    def settings(self, video: LatentVideo) -> tuple[FitConfig, bool]:
        """The configuration, and whether the file's own bytes are aimed at.

        Raises:
            InputError: the file's networks are others.
        """
        of_file = self.preset is None and self.config is None
        if of_file and video.preset not in PRESETS:
            raise InputError(f"{_name(video)} names no preset that there is; say which, preset=... or config=...")
        settings = resolve(video.preset if of_file else self.preset, self.config, self.quality)
        if settings.at_once:
            raise InputError(
                f"{_name(video)}: {settings.preset!r} takes no steps, so there is nothing to go on with; fit the video "
                "anew, with preset='fast' or a dearer one"
            )
        if not fits_architecture(video, settings):
            own = PRESETS.get(video.preset)
            again = "" if own is None or own.at_once else f"refine it with its own preset ({own.preset}), or "
            raise InputError(
                f"{_name(video)} has other networks than {settings.preset!r} makes, which a fit cannot go on with; "
                f"{again}fit it anew"
            )
        return settings, of_file and self.quality is None


def is_better(new: LatentVideo, old_psnr: float, old_bytes: float) -> bool:
    """Whether a video is better than one of another PSNR in dB and size in bytes; see `refine_video`."""
    psnr, size = new.metrics["psnr"], new.metrics["bytes"]
    if psnr < old_psnr:
        return False
    if size <= old_bytes:
        return psnr > old_psnr or size < old_bytes
    return psnr - old_psnr >= 10 * math.log10(size / old_bytes)


def _refined(
    old: LatentVideo, source: Source | None, asked: _Asked, parts: HeldFolder | None, progress: bool | ProgressCallback
) -> LatentVideo:
    """The better one of a stored video and what is made of it."""
    began = time.monotonic()
    if source is None:
        raise InputError(f"{_name(old)}: say which video it was fitted to, source=...")
    settings, same_bytes = asked.settings(old)
    old.check()
    footage = Footage(source, old.size, old.num_frames)
    _check_source(old, footage)
    prior = old.stored.reference_prior()
    count = _refinements(old) + 1
    with reporting(progress, began) as report, plain_torch(), one_thread(asked.device):
        report(FitProgress("decode", 0, 1, message=f"going on from a stored video on {describe_device(asked.device)}"))
        note = {"times": count, "preset": settings.preset, "config": settings.digest(), "seed": asked.seed}
        notes = {**old.metadata, **asked.metadata, "refined": note}
        request = FitRequest((settings,), None, prior, prior is not None, asked.device, asked.seed, notes)
        folder = parts if old.num_groups > 1 else None
        key = digest_of([footage.key(), _digest(old), request.key(footage), same_bytes, asked.minutes])
        checkpoint = Checkpoint(folder, key)
        refinement = Refinement(request, old, same_bytes, checkpoint, report)
        measured = time.monotonic()
        psnr = _psnr_before(refinement, footage, old, report)
        measured = time.monotonic() - measured
        if checkpoint.scan() is None:
            checkpoint.keep_scan(refinement.scan)
        else:
            tell(report, ["going on with a refinement that was stopped"])
        if asked.minutes is not None:
            left = _PLANNED * 60 * asked.minutes - (time.monotonic() - began) - measured
            config = _within(refinement, footage, left)
            if same_bytes:  # at the preset's rate fewer steps than it has would first undo what is there
                rate = settings.learning_rate * min(1.0, config.steps / settings.steps)
                config = replace(config, learning_rate=rate)
            refinement.config = config
        new = fit_groups(footage, refinement, report)
        footage.check_unchanged()
        if is_better(new, psnr, old.metrics["bytes"]):
            return new
        tell(report, [f"{_name(old)} stays as it is: {_figures(new)} is no better than its {_figures(old)}"])
        return old


def _check_source(video: LatentVideo, footage: Footage) -> None:
    """Refuses a source that is not what was fitted, as far as that is told without decoding.

    Raises:
        InputError: it is another one, or has other frames.
    """
    known, other = video.metadata.get("fingerprint"), not isinstance(footage.source, np.ndarray)
    if other and isinstance(known, str):
        if footage.key() != known:
            raise InputError(f"{footage.name} is not, or no longer, the video that {_name(video)} was fitted to")
        return
    expected = len(footage.source) if isinstance(footage.source, np.ndarray) else footage.expected
    if expected is not None and (expected < video.num_frames or (not other and expected > video.num_frames)):
        raise InputError(
            f"{footage.name} has {expected} frames, but {_name(video)} {video.num_frames}: it is another video"
        )


def _psnr_before(refinement: Refinement, footage: Footage, old: LatentVideo, report: ProgressCallback) -> float:
    """PSNR in dB of what is stored, on the source's frames.

    Raises:
        InputError: it is far from what was measured when it was fitted, so that the source is another one.
    """
    spans, done = refinement.scan.plan.spans, 0
    total = 0.0
    for index, frames in enumerate(footage.groups([span.count for span in spans], old.size)):
        report(FitProgress("scan", done, old.num_frames))
        total += refinement.psnr_before(index, frames)
        done += len(frames)
    footage.check_unchanged()
    psnr, known = total / old.num_frames, psnr_of(old)
    if psnr < known - _SAME:
        raise InputError(
            f"{footage.name} is not the video that {_name(old)} was fitted to: {psnr:.1f} dB, and {known:.1f} dB then"
        )
    return psnr


def _within(refinement: Refinement, footage: Footage, seconds: float) -> FitConfig:
    """The configuration with as many steps as take so many seconds, told by some steps of the first group."""
    config, spans, size = refinement.config, refinement.scan.plan.spans, refinement.scan.size
    began, first = time.monotonic(), spans[0]
    task = refinement.prepare(0, next(footage.groups([first.count], size)))
    prepared = time.monotonic() - began
    trial = replace(refinement.aim_of(0), steps=_TRIAL_STEPS, steps_growth=0.0, rate_start=1e-6)
    times = [event.seconds for event in fit_frames(task, trial, device=refinement.request.device)]
    each = (times[-1] - times[0]) / (_TRIAL_STEPS / 2)
    left = [span for k, span in enumerate(spans) if not refinement.is_kept(k)]
    seconds -= time.monotonic() - began + prepared / first.count * sum(span.count for span in left)
    steps = sum(config.steps_for(span.count, *size, warm=span.parent is not None) for span in left)
    return replace(config, steps=max(1, round(config.steps * max(seconds, 0) / (each * max(steps, 1)))))


def _source_beside(video: LatentVideo, path: Path) -> Path:
    """The file beside a stored one that its header names."""
    name = video.metadata.get("source")
    found = path.parent / Path(name).name if isinstance(name, str) and name else None
    if found is None or not found.exists():
        told = "its header names none" if found is None else f"{found} is not there"
        raise InputError(f"{path}: say which video it was fitted to, source=... or --source ({told})")
    return found


def _refinements(video: LatentVideo) -> int:
    """How often a video was refined, as its notes have it, which may be a stranger's."""
    note = video.metadata.get("refined")
    times = note.get("times") if isinstance(note, dict) else 0
    return times if type(times) is int and 0 <= times < 10**6 else 0


def _digest(video: LatentVideo) -> str:
    """Digest of a file's bytes, by the checksums that its index has of them, and its size."""
    return digest_of([video.stored.header, [repr(group) for group in video.stored.groups], video.metrics["bytes"]])


def _name(video: LatentVideo) -> str:
    return video.stored.source.name or "the stored video"


def _figures(video: LatentVideo) -> str:
    return f"{video.metrics.get('psnr', math.nan):.2f} dB in {video.metrics['bytes']:,.0f} bytes"
