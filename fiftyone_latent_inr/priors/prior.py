"""`Prior`: hypernetwork, field and encoders pretrained over many videos, as a model of the Hugging Face Hub.

    prior = Prior.from_pretrained("OWNER/NAME")      # or a directory
    prior.embed_frames(frames)                       # (T, E), the teacher's space without the teacher
    prior.save_pretrained("my-prior")
    prior.push_to_hub("OWNER/NAME")

Never pickle: weights are read from, and written to, safetensors alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, NoReturn

import torch
from huggingface_hub import ModelCard, PyTorchModelHubMixin
from torch import nn

from ..arrays import FloatArray, Frames, check_frames
from ..errors import InputError
from ..files import atomic_target, existing_folder, writable_folder
from ..model.config import Architecture
from ..torch_settings import plain_torch
from . import hub
from .card import GENERATED, LICENSE, TAGS, card_text
from .files import CARD, identity, read_networks, write_prior
from .find import bundled_priors, describe_repository, find_prior
from .hub import HubAccess
from .networks import PriorConfig, PriorNetworks

__all__ = ["Prior", "bundled_priors", "describe_repository", "load_named_prior", "load_prior"]


class Prior(nn.Module, PyTorchModelHubMixin, library_name=hub.LIBRARY, license=LICENSE, tags=[*TAGS]):
    """Networks that many videos share, and what is known about them.

    Args:
        config: shape of the networks.
        notes: facts about them, JSON-able: `trained_on` (a list of {name, licence, frames}), `steps`,
            `description`, `metrics` (names to numbers, and the `commit` that they were measured at), `license`.
        networks: trained ones; None for ones that start from noise.

    Attributes:
        config: shape of the networks.
        notes: the facts above; may be changed before saving.
        networks: `PriorNetworks`, in 32 bits.
        name: a repository's id, a directory's absolute path or a bundled name, wherever it comes from.
        revision: the commit that it was loaded from, or None.

    Example:
        >>> prior = load_prior("my-prior")  # doctest: +SKIP
        >>> prior.check_teacher(teacher.id)  # doctest: +SKIP
    """

    config: PriorConfig
    networks: PriorNetworks

    def __init__(
        self,
        config: PriorConfig,
        notes: Mapping[str, Any] | None = None,
        networks: PriorNetworks | None = None,
    ) -> None:
        super().__init__()
        if networks is not None and networks.config != config:
            raise InputError("prior: the networks are of another configuration")
        self.config = config
        self.notes: dict[str, Any] = dict(notes or {})
        self.networks = PriorNetworks(config) if networks is None else networks
        self.name = f"new {config.preset} prior"
        self.revision: str | None = None

    def __repr__(self) -> str:
        at = f"@{self.revision[:8]}" if self.revision else ""
        return f"Prior({self.name + at!r}, id={self.id!r}, {self.config.num_parameters:,} parameters)"

    @property
    def id(self) -> str:
        """12 hexadecimal digits of configuration and weights, the same wherever it is stored and in whichever bits."""
        return identity(self.config, self.networks)

    @property
    def is_bundled(self) -> bool:
        """Whether it came with the package, so that its name means the same wherever the package is."""
        return self.name in bundled_priors()

    @property
    def device(self) -> torch.device:
        """The device that the networks are on."""
        return next(self.networks.parameters()).device

    @plain_torch()
    def embed_frames(self, frames: Frames, batch_size: int = 64) -> FloatArray:
        """Embed every frame by itself into the teacher's space, without the teacher.

        Args:
            frames: uint8 (T, H, W, 3), RGB.
            batch_size: frames at a time through the encoder.

        Returns:
            float32 (T, E), rows of unit norm.

        Raises:
            InputError: the prior has no teacher, or `frames` is anything else.
        """
        if self.config.teacher is None:
            raise InputError(f"prior {self.name} was pretrained without a teacher: it cannot embed frames")
        check_frames(frames)
        return self.networks.embed_frames(frames, batch_size)

    def check_teacher(self, teacher_id: str | None) -> None:
        """See `PriorConfig.check_teacher`."""
        self.config.check_teacher(teacher_id, self.name)

    def check_architecture(self, architecture: Architecture) -> None:
        """See `PriorConfig.check_architecture`."""
        self.config.check_architecture(architecture, self.name)

    def round_weights(self) -> None:
        """Rounds the weights to 16 bits, which halves the files. Then what is measured is what is stored."""
        with torch.no_grad():
            for parameter in self.networks.parameters():
                parameter.copy_(parameter.half().float())

    # ---- files and the Hub -------------------------------------------------------------------------------------

    @classmethod
    @plain_torch()
    def from_pretrained(  # type: ignore[override]
        cls,
        repo_or_dir: str | Path,
        revision: str | None = None,
        *,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        device: str | torch.device | None = None,
    ) -> Prior:
        """Loads a prior from a directory or the Hub. Nothing large is fetched before its configuration was checked.

        Args:
            repo_or_dir: a directory that `save_pretrained` wrote, or `OWNER/NAME` of the Hub.
            revision: branch, tag or commit of a repository; None for `main`.
            token: the user's for the Hub; None for that of the user who is logged in, False for none.
            cache_dir: folder of downloads; None for the Hub's usual one.
            local_files_only: True to take what is in the cache and ask nobody.
            device: device of the networks; None for the CPU.

        Raises:
            PriorUnavailableError: the Hub does not give it now, or not to this user; the message says what to do.
            InputError: there is none, or it is damaged or not safe to load.
        """
        access = HubAccess(revision, token, cache_dir, local_files_only)
        return _load(cls, repo_or_dir, access, device=device, bundled=False)

    @classmethod
    def _from_pretrained(cls, *, model_id: str, map_location: str = "cpu", **options: Any) -> Prior:
        known = {field.name: options[field.name] for field in fields(HubAccess) if field.name in options}
        return cls.from_pretrained(model_id, device=map_location, **known)

    @classmethod
    def _load_as_pickle(cls, model: Any, model_file: str, map_location: str, strict: bool) -> NoReturn:
        raise InputError(f"{model_file}: pickled weights can run code and are never read")

    def _save_pretrained(self, save_directory: Path) -> None:
        write_prior(save_directory, self.config, self.notes, self.networks)

    def save_pretrained(
        self,
        save_directory: str | Path,
        *,
        config: Any = None,
        repo_id: str | None = None,
        push_to_hub: bool = False,
        model_card_kwargs: dict[str, Any] | None = None,
        **push_to_hub_kwargs: Any,
    ) -> str | None:
        """Writes `config.json`, `model.safetensors` and a model card, `README.md`, into a directory.

        A `README.md` that somebody wrote is left as it is.

        Args:
            save_directory: folder to write into; is created where it is missing.
            config: nothing; the mixin's interface has it, and the configuration is always the prior's own.
            repo_id: repository to push to, with `push_to_hub`; None for the directory's name.
            push_to_hub: True to push, too.
            model_card_kwargs: `repo_id`, which the card's examples then name.
            push_to_hub_kwargs: arguments of `push_to_hub`.

        Returns:
            The commit's address if it was pushed, else None.

        Raises:
            InputError: the directory cannot be written, the notes are not JSON, or weights are not finite.
        """
        folder = writable_folder(save_directory)
        self._save_pretrained(folder)
        readme = folder / CARD
        if not readme.exists() or GENERATED in readme.read_text(encoding="utf-8", errors="replace"):
            card = self.generate_model_card(**{"repo_id": repo_id, **(model_card_kwargs or {})})
            with atomic_target(readme) as path:
                path.write_text(str(card), encoding="utf-8")
        if push_to_hub:
            return self.push_to_hub(repo_id or folder.name, **push_to_hub_kwargs)
        return None

    def push_to_hub(
        self,
        repo_id: str,
        *,
        private: bool | None = None,
        token: str | None = None,
        branch: str | None = None,
        commit_message: str = "Add a Latent-INR prior",
        create_pr: bool | None = None,
        **options: Any,
    ) -> str:
        """Stores the prior in a repository of the Hub, which is created where it is missing, in one commit.

        Args:
            repo_id: `OWNER/NAME`.
            private: True for a new repository that is private; None for what the owner has chosen as the default.
            token: token with the right to write; None for that of the user who is logged in.
            branch: branch to commit to; is created where it is missing; None for `main`.
            commit_message: first line of the commit.
            create_pr: True to open a pull request with the commit.
            options: arguments of `huggingface_hub.PyTorchModelHubMixin.push_to_hub`.

        Returns:
            The address of the commit.

        Raises:
            PriorUnavailableError: the Hub cannot be reached or refuses; the message says what to do.
            InputError: the name is none, or the prior cannot be stored.
        """
        hub.check_name(repo_id, branch)
        card = {**(options.pop("model_card_kwargs", None) or {}), "repo_id": repo_id}
        with hub.people_errors(repo_id, branch, to_write=True):
            if branch and branch != "main" and not create_pr and not branch.startswith("refs/"):
                hub.create_branch(repo_id, HubAccess(branch, token), private)
            address = super().push_to_hub(
                repo_id,
                private=private,
                token=token,
                branch=branch,
                commit_message=commit_message,
                create_pr=create_pr,
                model_card_kwargs=card,
                **options,
            )
        # older clients mean the folder by the text of it
        return str(getattr(address, "commit_url", address))

    def generate_model_card(self, *_: Any, repo_id: str | None = None, **__: Any) -> ModelCard:
        """The model card, from configuration and notes; see `card`."""
        return ModelCard(card_text(self.config, self.notes, self.id, repo_id))


@plain_torch()
def load_prior(
    name: str | Path,
    revision: str | None = None,
    *,
    token: str | bool | None = None,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
    device: str | torch.device | None = None,
) -> Prior:
    """`Prior.from_pretrained`, which also knows the priors that come along by name (`bundled_priors()` lists them).

    A repository may be named with its revision, `OWNER/NAME@REVISION`.
    """
    if isinstance(name, str) and revision is None and "@" in name and existing_folder(name) is None:
        name, _, revision = name.partition("@")
    return _load(Prior, name, HubAccess(revision, token, cache_dir, local_files_only), device=device, bundled=True)


def load_named_prior(name: str, revision: str | None) -> Prior:
    """The prior that a file names, which may be a stranger's: a bundled one, or of a repository in the Hub's cache.

    Folders are not looked for, whatever the name: only users name those.

    Raises:
        InputError: it is not on this machine, or it is damaged.
    """
    return _load(Prior, name, HubAccess(revision, local_files_only=True), device=None, bundled=True, folders=False)


def _load(
    cls: type[Prior], name: str | Path, access: HubAccess, *, device: Any, bundled: bool, folders: bool = True
) -> Prior:
    source = find_prior(name, access, bundled=bundled, folders=folders)
    networks = read_networks(source.weights, source.config, source.weights_name)
    prior = cls(source.config, source.notes, networks)
    prior.name, prior.revision = source.name, source.revision
    return prior.to(device or "cpu").eval()
