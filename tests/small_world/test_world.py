"""What there is in the small world, and what the small teacher never saw."""

import numpy as np
import pytest

from fiftyone_latent_inr.errors import InputError
from fiftyone_latent_inr.small_world.world import combinations, is_held_out, random_specs


def test_two_shapes_do_not_cover_each_other():
    for spec in random_specs(30, seed=1, two_shapes=1.0):
        first, second = spec.shapes
        assert first.colour != second.colour and first.kind != second.kind
        for a, b in ((first.start, second.start), (first.end, second.end)):
            apart = np.hypot((a[0] - b[0]) * 4 / 3, a[1] - b[1])
            assert apart > 0.6 * (first.radius + second.radius)


def test_held_out_combinations_are_an_eighth_and_never_mix():
    held, seen = combinations(True), combinations(False)
    assert not set(held) & set(seen) and set(held) | set(seen) == set(combinations())
    assert 0.09 < len(held) / len(combinations()) < 0.16
    # a fixed point: were the rule to change, the shipped teacher's scores would no longer be of unseen clips
    assert len(held) == 178 and held[0] == ("red", "square", "brown")
    assert not is_held_out("red", "circle", "white")
    for spec in random_specs(60, seed=0, held_out=True, two_shapes=0.5):
        assert all(is_held_out(*each) for each in spec.combinations)
    for spec in random_specs(60, seed=0, held_out=False, two_shapes=0.5):
        assert not any(is_held_out(*each) for each in spec.combinations)


def test_specs_differ_in_their_combinations():
    specs = random_specs(60, seed=9)
    assert len({spec.combinations[0] for spec in specs}) == 60


def test_more_specs_than_there_are_combinations_are_refused():
    with pytest.raises(InputError, match="combinations"):
        random_specs(10**6)
