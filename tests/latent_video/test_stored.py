"""Groups of frames that are stored as the difference from earlier ones, and read again in any order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from linr_files import ARCHITECTURE, CountingSource, networks

import fiftyone_latent_inr as linr
from fiftyone_latent_inr import codec
from fiftyone_latent_inr.latent_video import stored
from fiftyone_latent_inr.latent_video.sections import decode_group, encode_group, group_specs
from fiftyone_latent_inr.latent_video.stored import Stored, to_model
from fiftyone_latent_inr.latent_video.video import LatentVideo, from_bytes
from fiftyone_latent_inr.latent_video.write import header, to_bytes
from fiftyone_latent_inr.model import Architecture, LatentINR, Level
from fiftyone_latent_inr.model.tensors import TensorSpec, is_shared, model_views, tensor_specs

Tensors = dict[str, np.ndarray]


def values_of(model: LatentINR) -> Tensors:
    return {name: view.detach().numpy().copy() for name, view in model_views(model).items()}


def rounded(spec: TensorSpec, values: np.ndarray, step: np.ndarray) -> np.ndarray:
    """What is stored of an array, by plain arithmetic; step (channels,) as it is stored."""
    wide = step.reshape(spec.step_shape)
    codes = np.clip(np.rint(np.divide(values, wide, out=np.zeros_like(values), where=wide > 0)), -32767, 32767)
    return codes.astype(np.float32) * wide


def random_steps(model: LatentINR, seed: int = 0) -> Tensors:
    rng = np.random.default_rng(seed)
    sizes = {spec.name: np.prod(spec.step_shape, dtype=int) for spec in tensor_specs(model.config)}
    return {name: codec.round_step_sizes(rng.uniform(0.01, 0.2, size)) for name, size in sizes.items()}


def near(model: LatentINR, seed: int, frames: int = 5) -> LatentINR:
    """Much the same networks, for other frames."""
    torch.manual_seed(seed)
    other = LatentINR(replace(model.config, num_frames=frames))
    with torch.no_grad():
        for (name, own), given in zip(other.named_parameters(), model.parameters(), strict=True):
            if name != "latents":
                own.copy_(given + 0.1 * torch.randn_like(given) * (torch.rand_like(given) < 0.2))
    return other


def test_a_group_comes_back_as_plain_arithmetic_says() -> None:
    model = networks()
    steps, values = random_steps(model), values_of(model)
    found, stored_step_sizes = decode_group(model.config, encode_group(model, steps, 8))
    assert list(found) == [spec.name for spec in group_specs(model.config)] and "latents.semantic" not in found
    for spec in group_specs(model.config):
        wanted = rounded(spec, values[spec.name], steps[spec.name])
        np.testing.assert_array_equal(found[spec.name], wanted)
        live = np.array([np.any(part) for part in np.moveaxis(wanted, spec.axis or 0, 0)])
        live = live if spec.axis is not None else live.any(keepdims=True)
        np.testing.assert_array_equal(stored_step_sizes[spec.name], np.where(live, steps[spec.name], 0))


def test_a_child_comes_back_as_plain_arithmetic_says() -> None:
    parent_model = networks()
    parent, _ = decode_group(parent_model.config, encode_group(parent_model, None, 8))
    model = near(parent_model, 1)
    steps, values = random_steps(model, 1), values_of(model)
    found, _ = decode_group(model.config, encode_group(model, steps, 8, parent), parent)
    for spec in group_specs(model.config):
        own = values[spec.name]
        if spec.name == "latents.free":  # each frame's own
            wanted = rounded(spec, own, steps[spec.name])
        else:
            wanted = parent[spec.name] + rounded(spec, own - parent[spec.name], steps[spec.name])
        np.testing.assert_array_equal(found[spec.name], wanted)
        assert found[spec.name].dtype == np.float32
        assert np.abs(found[spec.name] - own).max() <= steps[spec.name].max() / 2 + 1e-6


@pytest.mark.parametrize("bits", [4, 8])
def test_without_steps_the_difference_fills_the_bits(bits: int) -> None:
    parent_model = networks()
    parent, _ = decode_group(parent_model.config, encode_group(parent_model, None, 8))
    model = near(parent_model, 1)
    values = values_of(model)
    found, steps = decode_group(model.config, encode_group(model, None, bits, parent), parent)
    for spec in group_specs(model.config):
        own = 16 if spec.kind == "vector" else bits + 2 * spec.name.startswith("weights.")
        shared = is_shared(spec.name)
        rest = values[spec.name] - parent[spec.name] if shared else values[spec.name]
        peak = np.abs(rest).max(tuple(k for k in range(rest.ndim) if k != spec.axis), keepdims=True).reshape(-1)
        limit = peak / (2 ** (own - 1) - 1)
        assert (steps[spec.name] >= limit * (1 - 1e-6)).all() and (steps[spec.name] <= limit * 1.126 + 1e-30).all()
        error = np.abs(found[spec.name] - values[spec.name])
        assert (error <= steps[spec.name].reshape(spec.step_shape) * 0.5 + 1e-6).all()


def test_what_stays_as_it_was_costs_next_to_nothing() -> None:
    model = networks()
    data = encode_group(model, None, 8)
    parent, steps = decode_group(model.config, data)
    same = to_model(model.config, {**values_of(model), **parent})
    steps = {name: np.where(step > 0, step, 1) for name, step in steps.items()}
    child = encode_group(same, steps, 8, parent)
    assert len(child) < 0.1 * len(data)
    found, _ = decode_group(model.config, child, parent)
    assert all(np.array_equal(found[name], parent[name]) for name in parent if is_shared(name))
    assert len(child) < len(encode_group(near(model, 1), steps, 8, parent)) < len(data)


def test_data_of_another_model_is_refused() -> None:
    model = networks()
    data = encode_group(model, None, 8)
    with pytest.raises(linr.BitstreamError, match="'group' is damaged"):
        decode_group(model.config, data[:40])
    with pytest.raises(linr.BitstreamError, match="damaged"):
        decode_group(networks(7).config, data[: len(data) // 2])


# --- files


def chain(parents: list[int | None]) -> tuple[bytes, list[Tensors]]:
    """A file without a teacher whose groups have these parents, and the tensors of each by plain arithmetic."""
    documents, sections, found, models = [], [], [], []
    for k, parent in enumerate(parents):
        model = near(networks(teacher=False, seed=k) if parent is None else models[parent], k, 3 + k)
        values, steps = values_of(model), random_steps(model, k)
        base = {} if parent is None else found[parent]
        tensors = {}
        for spec in group_specs(model.config):
            origin = base.get(spec.name, np.zeros(1, np.float32)) if spec.name != "latents.free" else np.float32(0)
            tensors[spec.name] = origin + rounded(spec, values[spec.name] - origin, steps[spec.name])
        documents.append(model.config.to_json())
        data = encode_group(model, steps, 8, None if parent is None else base)
        sections.append(codec.Section(codec.GROUP, model.config.num_frames, k, data, parent))
        found.append(tensors)
        models.append(model)
    return codec.assemble({"models": documents, **header(fps=25.0, preset="fast")}, sections), found


def test_chains_of_parents() -> None:
    data, wanted = chain([None, 0, 1, None, 2, 3, 0])
    for order in (range(7), (6, 4, 0, 5, 2)):
        video = Stored(codec.MemorySource(data))
        assert [group.parent for group in video.groups] == [None, 0, 1, None, 2, 3, 0]
        for k in order:
            found = video.group(k)
            for name in found:
                np.testing.assert_array_equal(found[name], wanted[k][name])


def test_the_longest_chain_and_one_that_is_too_long() -> None:
    depth = codec.MAX_DEPTH
    data, wanted = chain([None, *range(depth)])
    found = Stored(codec.MemorySource(data)).group(depth)
    np.testing.assert_array_equal(found["grids.0"], wanted[depth]["grids.0"])
    with pytest.raises((linr.BitstreamError, ValueError), match="parents"):
        from_bytes(chain([None, *range(depth + 1)])[0])


def test_a_parent_is_read_with_its_child_and_once() -> None:
    data, _ = chain([None, None, 1, 2])
    source = CountingSource(data)
    video = Stored(source)
    sizes = [group.entry.size for group in video.groups]
    before = source.total
    video.group(3)
    assert source.total - before == sum(sizes[1:])
    for k in (2, 1, 3):
        video.group(k)
    assert source.total - before == sum(sizes[1:])


@pytest.mark.parametrize("change", ["hidden", "levels", "planes", "latent_dim"])
def test_a_parent_of_another_shape_is_refused(change: str) -> None:
    changes: dict[str, Architecture] = {
        "hidden": replace(ARCHITECTURE, hidden=13),
        "levels": replace(ARCHITECTURE, levels=(Level(8, 4, 3), Level(3, 3))),
        "planes": replace(ARCHITECTURE, planes=1),
        "latent_dim": replace(ARCHITECTURE, latent_dim=7),
    }
    models = [LatentINR(shape.for_video(8, 24, 33, 0)) for shape in (ARCHITECTURE, changes[change])]
    documents = [model.config.to_json() for model in models]
    for parent in (None, 0):
        parts = [codec.Section(codec.GROUP, 8, k, encode_group(models[k], None, 8)) for k in range(2)]
        parts[1] = replace(parts[1], parent=parent)
        data = codec.assemble({"models": documents, **header(fps=25.0, preset="fast")}, parts)
        if parent is None:
            assert from_bytes(data).num_groups == 2
        else:
            with pytest.raises(linr.BitstreamError, match="another shape than its parent's"):
                from_bytes(data)


def test_damage_to_a_parent_is_found_where_its_child_is_drawn() -> None:
    data, _ = chain([None, None, 0])
    groups = from_bytes(data)._stored.groups
    spoilt = bytearray(data)
    spoilt[groups[0].entry.offset + 20] ^= 1
    video = from_bytes(bytes(spoilt))
    assert video.render([4], device="cpu").any()
    for t in (0, 8):
        with pytest.raises(linr.BitstreamError, match="frames 0 to 2"):
            video.render([t], device="cpu")


# --- what is kept


@pytest.mark.parametrize("room", [0, 1.5, 2.5])
def test_only_so_much_is_kept(room: float, monkeypatch: pytest.MonkeyPatch) -> None:
    parents = [None, 0, 1, None, 2, 3, 0]
    data, wanted = chain(parents)
    whole = Stored(codec.MemorySource(data))
    largest = max(sum(tensor.size for tensor in whole.group(k).values()) for k in range(7))
    monkeypatch.setattr(stored, "_KEPT", int(room * largest))
    source = CountingSource(data)
    video = Stored(source)
    before = source.total
    for k in np.random.default_rng(0).integers(0, 7, 40):
        found = video.group(int(k))
        assert all(np.array_equal(found[name], wanted[k][name]) for name in found)
        held = [sum(tensor.size for tensor in tensors.values()) for tensors in video._kept.values()]
        assert sum(held) <= max(room * largest, largest) and len(held) <= max(room, 1) + 1
    assert source.total - before > 2 * sum(group.entry.size for group in video.groups)  # some were read again


def test_embeddings_stay_whatever_else_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    data = to_bytes([networks(seed=k) for k in range(3)], fps=25.0, preset="fast")
    monkeypatch.setattr(stored, "_KEPT", 0)
    source = CountingSource(data)
    video = Stored(source)
    semantic = video.semantic()
    for k in (0, 1, 2):
        video.group(k)
    before = source.total
    assert set(video._kept) == {-1, 2}
    np.testing.assert_equal(video.semantic(), semantic)
    assert source.total == before


def test_frames_in_any_order_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    data, _ = chain([None, 0, 1, None, 2])
    video = from_bytes(data)
    wanted = np.concatenate([video.render([t], device="cpu") for t in range(video.num_frames)])
    monkeypatch.setattr(stored, "_KEPT", 1)
    again = LatentVideo(CountingSource(data))
    for t in np.random.default_rng(1).permutation(video.num_frames):
        np.testing.assert_array_equal(again.render([t], device="cpu")[0], wanted[t])
