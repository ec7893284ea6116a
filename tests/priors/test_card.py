"""Model cards: what is known is said, and what strangers wrote stays text."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import priors
import pytest
import yaml
from huggingface_hub import ModelCard

from fiftyone_latent_inr.priors.card import LICENSE, TAGS, card_text, plain

PLAIN = replace(priors.CONFIG, teacher=None, teacher_id=None, embedding_dim=0, semantic_dim=0)


def test_says_what_is_known() -> None:
    card = ModelCard(card_text(priors.CONFIG, priors.NOTES, "0123456789ab", "owner/tiny-prior"))
    assert card.data.license == LICENSE and card.data.library_name == "fiftyone-latent-inr"
    assert set(TAGS) < set(card.data.tags or [])
    for words in (
        "`0123456789ab`",
        f"{priors.CONFIG.num_parameters:,}",
        "| toy frog | CC BY 4.0 | 24 |",
        "| psnr after 100 steps | 30.125 |",
        "At commit 0123abc",
        "7 steps",
        "Made by a test.",
        "--preset tiny --prior owner/tiny-prior",
        'teacher="small"',
        'Prior.from_pretrained("owner/tiny-prior")',
        "sort_by_similarity",
        "2408.02672",
        "2212.14593",
    ):
        assert words in card.content, words


def test_without_teacher_and_notes() -> None:
    text = card_text(PLAIN, {}, "0123456789ab")
    assert "teacher=" not in text and "embed_frames" not in text and "embeds nothing" in text
    assert "not noted" in text and "Nothing is noted" in text
    assert 'prior="OWNER/NAME"' in text


def test_metrics_may_be_nested() -> None:
    notes = {"metrics": {"commit": "ab", "psnr": {"100 steps": 31.0, "noise": {"100 steps": 27.5}}, "clips": 3}}
    text = card_text(PLAIN, notes, "0")
    for row in ("| psnr: 100 steps | 31 |", "| psnr: noise: 100 steps | 27.5 |", "| clips | 3 |"):
        assert row in text


EVIL = "x\n---\nlicense: mit\n# Title | <script>alert(1)</script> [a](http://b) ![i](j) `code` $x$ \x1b[31m\u202e"


def test_what_strangers_wrote_stays_text() -> None:
    notes: dict[str, Any] = {
        "description": EVIL,
        "license": EVIL,
        "steps": EVIL,
        "trained_on": [{"name": EVIL, "licence": EVIL, "frames": [EVIL]}, "no clip", {}],
        "metrics": {EVIL: EVIL, "commit": EVIL, "deep": {"a": {"b": {"c": {"d": {"e": {EVIL: 1}}}}}}},
    }
    config = replace(priors.CONFIG, preset='x"; import os #`|<b>', teacher="a|b`<i>", teacher_id="a](b)")
    text = card_text(config, notes, "0", 'a"b/c')
    card = ModelCard(text)
    assert card.data.to_dict() == {"license": "other", "library_name": "fiftyone-latent-inr", "tags": card.data.tags}
    assert yaml.safe_load(text.split("---\n")[1])["license"] == "other"
    prose = "".join(text.split("```")[::2])
    assert "<script" not in prose and "<b>" not in prose and "<i>" not in prose
    assert "\x1b" not in text and "\u202e" not in text and "\n# Title" not in text
    assert "[a](" not in prose and "![" not in prose
    assert "import os" not in "".join(text.split("```")[1::2]) and 'prior="OWNER/NAME"' in text
    columns = {line.replace("\\|", "").count("|") for line in prose.splitlines() if line.startswith("| x")}
    assert columns == {3, 4}  # a table of two columns and one of three


def test_long_notes_are_cut() -> None:
    clips = [{"name": f"clip {k}", "licence": "CC0", "frames": 9} for k in range(700)]
    text = card_text(PLAIN, {"trained_on": clips, "description": "y" * 10_000}, "0")
    assert "And 200 more" in text and "y" * 2001 not in text
    assert len(plain("z" * 500)) == 200


@pytest.mark.parametrize("notes", [{"trained_on": 3}, {"metrics": []}, {"trained_on": {}}, {"license": None}])
def test_malformed_notes_are_left_out(notes: dict[str, Any]) -> None:
    assert "## Use" in card_text(priors.CONFIG, notes, "0")
