"""Priors from and to a Hub: the real client against a server on this machine."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import priors
import pytest
from hub_server import HubServer, set_endpoint, set_in_client
from huggingface_hub import constants

from fiftyone_latent_inr.errors import InputError, PriorUnavailableError
from fiftyone_latent_inr.priors import hub
from fiftyone_latent_inr.priors.files import most_bytes
from fiftyone_latent_inr.priors.hub import HubAccess
from fiftyone_latent_inr.priors.prior import Prior, describe_repository, load_prior

REPO = "owner/tiny-prior"
WEIGHTS = "model.safetensors"


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a prior."""
    folder = tmp_path_factory.mktemp("prior")
    priors.make().save_pretrained(folder)
    return priors.files(folder)


@pytest.fixture
def server(hub: HubServer) -> HubServer:
    """The Hub on this machine, by another name than the module under test."""
    return hub


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache of the test's own."""
    return tmp_path / "cache"


def refusal(cache: Path, repo: str = REPO, revision: str | None = None, **options: Any) -> str:
    """The one line that a repository is refused with."""
    with pytest.raises(InputError) as caught:
        Prior.from_pretrained(repo, revision, cache_dir=cache, **options)
    message = str(caught.value)
    assert (
        "\n" not in message
        and len(message) < 600
        and message.startswith((repo, "there is no repository", repr(revision)))
    )
    return message


def test_fetches_and_then_uses_the_cache(server: HubServer, content: dict[str, bytes], cache: Path) -> None:
    commit = server.add(REPO, content)
    prior = Prior.from_pretrained(REPO, cache_dir=cache)
    assert prior.id == priors.make().id and prior.notes == priors.NOTES
    assert (prior.name, prior.revision) == (REPO, commit)
    assert len(server.bodies(WEIGHTS)) == 1
    again = load_prior(REPO, "main", cache_dir=cache)
    assert again.id == prior.id and len(server.bodies(WEIGHTS)) == len(server.bodies("config.json")) == 1
    asked = len(server.log)
    assert load_prior(REPO, commit, cache_dir=cache).revision == commit
    assert len(server.log) == asked  # a commit never comes to mean anything else: nobody is asked
    assert not any(".bin" in path or "README" in path for _, path, _ in server.log)


def test_push_and_fetch_by_branch_and_commit(server: HubServer, cache: Path) -> None:
    prior = priors.make()
    address = prior.push_to_hub(REPO, token="hf_good", private=True, commit_message="Add the first")
    repo = server.repos[REPO]
    assert repo.private and repo.messages[-1] == "Add the first" and address.endswith(repo.branches["main"])
    first = repo.branches["main"]
    assert sorted(repo.commits[first]) == [".gitattributes", "README.md", "config.json", WEIGHTS]
    assert f'from_pretrained("{REPO}")' in repo.commits[first]["README.md"].decode()

    priors.make(seed=1).push_to_hub(REPO, token="hf_good", branch="second")
    assert repo.branches["main"] == first
    loaded = {
        revision: Prior.from_pretrained(REPO, revision, token="hf_good", cache_dir=cache)
        for revision in (None, "second", first)
    }
    assert loaded[None].id == loaded[first].id == prior.id
    assert loaded["second"].id == priors.make(seed=1).id
    assert loaded["second"].revision == repo.branches["second"]
    assert "private" in refusal(cache / "other")

    url = priors.make(seed=2).push_to_hub(REPO, token="hf_good", create_pr=True)
    assert repo.branches["main"] == first and any(name.startswith("refs/pr/") for name in repo.branches), url


def test_saving_can_push(server: HubServer, tmp_path: Path) -> None:
    url = priors.make().save_pretrained(tmp_path / "prior", push_to_hub=True, repo_id=REPO, token="hf_good")
    assert url is not None and url.endswith(server.repos[REPO].branches["main"])
    assert priors.files(tmp_path / "prior")[WEIGHTS] == server.repos[REPO].commits[url.rsplit("/", 1)[1]][WEIGHTS]


def test_pushing_where_one_may_not(server: HubServer, content: dict[str, bytes]) -> None:
    server.add("other/prior", content)
    for repo, token, words in [
        ("other/prior", "hf_good", "may not write"),
        ("other/new", "hf_good", "may not write"),
        (REPO, None, "hf auth login"),
        ("no-owner", "hf_good", "OWNER/NAME"),
    ]:
        with pytest.raises(InputError, match=words) as caught:
            priors.make().push_to_hub(repo, token=token)
        assert "\n" not in str(caught.value)


def test_an_interrupted_download_goes_on(
    server: HubServer, content: dict[str, bytes], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_in_client(monkeypatch, DOWNLOAD_CHUNK_SIZE=256)  # what the client keeps of a file that small
    server.add(REPO, content)
    server.faults.break_after = len(content["config.json"]) + 100
    with contextlib.suppress(PriorUnavailableError):  # older clients go on when they are asked the next time
        Prior.from_pretrained(REPO, cache_dir=cache)
    assert Prior.from_pretrained(REPO, cache_dir=cache).id == priors.make().id
    asked = server.bodies(WEIGHTS)
    assert len(asked) == 2 and asked[0][1] is None and asked[1][1] is not None
    assert 0 < int(asked[1][1].removeprefix("bytes=").rstrip("-")) < len(content[WEIGHTS])


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "hf auth login"),
        (403, "may not read"),
        (404, "no repository"),
        (429, "wait 7 seconds"),
        (500, "HTTP 500"),
    ],
)
def test_a_refusal_is_one_line(
    server: HubServer, content: dict[str, bytes], cache: Path, status: int, words: str
) -> None:
    server.add(REPO, content)
    server.faults.status = status
    assert words in refusal(cache)
    assert not cache.exists()
    with pytest.raises(PriorUnavailableError, match=words):
        describe_repository(REPO, HubAccess(cache_dir=cache))


def test_a_busy_hub_does_not_keep_one_from_the_cache(server: HubServer, content: dict[str, bytes], cache: Path) -> None:
    server.add(REPO, content)
    Prior.from_pretrained(REPO, cache_dir=cache)
    for status in (429, 503):
        server.faults.status = status
        assert Prior.from_pretrained(REPO, cache_dir=cache).id == priors.make().id
    server.faults.status = 403  # but a right that was taken away does
    assert "may not read" in refusal(cache)


def test_private_gated_missing(server: HubServer, content: dict[str, bytes], cache: Path) -> None:
    server.add("owner/private", content, private=True)
    server.add("owner/gated", content, gated=True)
    server.add(REPO, content)
    assert "is private, or there is none" in refusal(cache, "owner/private")
    assert "is private, or there is none" in refusal(cache, "owner/missing")
    assert "there is no repository" in refusal(cache, "owner/missing", token="hf_good")
    assert "gated" in refusal(cache, "owner/gated")
    assert "no revision 'v9'" in refusal(cache, revision="v9")
    assert not cache.exists()
    assert Prior.from_pretrained("owner/private", token="hf_good", cache_dir=cache).id == priors.make().id
    assert Prior.from_pretrained("owner/gated", token="hf_good", cache_dir=cache).id == priors.make().id


def test_offline(server: HubServer, content: dict[str, bytes], cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.add(REPO, content)
    assert "only local files" in refusal(cache, local_files_only=True)
    Prior.from_pretrained(REPO, cache_dir=cache)
    asked = len(server.log)
    assert Prior.from_pretrained(REPO, cache_dir=cache, local_files_only=True).id == priors.make().id
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert Prior.from_pretrained(REPO, cache_dir=cache).revision == server.repos[REPO].branches["main"]
    assert "HF_HUB_OFFLINE" in refusal(cache / "other")
    assert "(revision v2)" in refusal(cache, revision="v2")
    with pytest.raises(PriorUnavailableError, match="HF_HUB_OFFLINE"):
        priors.make().push_to_hub(REPO, token="hf_good")
    with pytest.raises(PriorUnavailableError, match="HF_HUB_OFFLINE"):
        describe_repository(REPO)
    assert len(server.log) == asked


def test_without_a_network(
    server: HubServer, content: dict[str, bytes], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.add(REPO, content)
    Prior.from_pretrained(REPO, cache_dir=cache)
    set_endpoint(monkeypatch, "http://127.0.0.1:9")  # nobody listens there
    assert Prior.from_pretrained(REPO, cache_dir=cache).id == priors.make().id
    message = refusal(cache / "other")
    assert "http://127.0.0.1:9 cannot be reached" in message and "not in the cache" in message


def test_says_how_large_before_it_fetches(server: HubServer, content: dict[str, bytes], cache: Path) -> None:
    commit = server.add(REPO, {**content, "more.bin": b"x" * 5000})
    info = describe_repository(REPO, HubAccess(cache_dir=cache))
    assert (info.repo, info.revision, info.config, info.problem) == (REPO, commit, priors.CONFIG, None)
    assert info.size_bytes == len(content["config.json"]) + len(content[WEIGHTS])
    assert info.files["more.bin"] == 5000
    assert not server.bodies(WEIGHTS)
    server.add("owner/bert", {"config.json": b'{"model_type": "bert"}', WEIGHTS: content[WEIGHTS]})
    other = describe_repository("owner/bert", HubAccess(cache_dir=cache))
    assert other.config is None and "not a Latent-INR prior" in str(other.problem)


# ---- hostile repositories --------------------------------------------------------------------------------------


def outside(tmp_path: Path, cache: Path) -> list[str]:
    return sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if cache not in (path, *path.parents))


def test_pickles_are_never_fetched(server: HubServer, content: dict[str, bytes], cache: Path) -> None:
    server.add(REPO, {"config.json": content["config.json"], "pytorch_model.bin": b"\x80\x04evil"})
    assert "can run code and are never read" in refusal(cache)
    assert not server.bodies("pytorch_model.bin")


def test_no_prior_at_all(server: HubServer, cache: Path) -> None:
    server.add(REPO, {"README.md": b"hello"})
    assert "config.json is missing" in refusal(cache)


def test_large_files_are_refused_before_they_are_fetched(
    server: HubServer, content: dict[str, bytes], cache: Path
) -> None:
    server.add(REPO, content)
    server.faults.claim_size = {WEIGHTS: 10**12}
    assert "not downloaded" in refusal(cache)
    info = describe_repository(REPO, HubAccess(cache_dir=cache))
    assert info.config is None and "not downloaded" in str(info.problem) and info.size_bytes > 10**12
    server.faults.claim_size = {WEIGHTS: most_bytes(priors.CONFIG) + 1}
    assert "not downloaded" in refusal(cache)
    assert not server.bodies(WEIGHTS)
    server.faults.claim_size = {"config.json": 2 << 20}
    assert "too large" in refusal(cache / "other")
    assert not (cache / "other").exists()


def test_absurd_configurations_are_refused_before_weights_are_fetched(
    server: HubServer, content: dict[str, bytes], cache: Path
) -> None:
    config = json.loads(content["config.json"])
    for setting, value in {"hidden": 10**9, "width": 256.5, "teacher": "two\nlines", "embedding_dim": True}.items():
        data = json.dumps({**config, "prior": {**config["prior"], setting: value}}).encode()
        server.add(REPO, {**content, "config.json": data})
        message = refusal(cache)
        assert setting in message
    assert not server.bodies(WEIGHTS)


def test_tampered_bodies_are_noticed_and_not_kept(server: HubServer, content: dict[str, bytes], cache: Path) -> None:
    """The same length, so that the client itself takes it for what was announced."""
    server.add(REPO, content)
    for file in ("config.json", WEIGHTS):
        server.faults.tamper = lambda name, data, file=file: data[:-9] + b"x" + data[-8:] if name == file else data
        assert "damaged on its way" in refusal(cache)
    server.faults.tamper = None
    assert Prior.from_pretrained(REPO, cache_dir=cache).id == priors.make().id
    # nor is a copy used that was damaged later, without a network either
    blob = next(path for path in cache.rglob(WEIGHTS)).resolve()
    blob.chmod(0o644)
    blob.write_bytes(content[WEIGHTS][:-1] + b"x")
    assert "damaged" in refusal(cache, local_files_only=True)
    assert "only local files" in refusal(cache, local_files_only=True)


def test_hostile_weights_are_refused(server: HubServer, content: dict[str, bytes], cache: Path) -> None:
    header, numbers = priors.split(content[WEIGHTS])
    trunk = "hypernetwork.trunk"
    for edited, words in [
        ({**header, "evil": header[trunk]}, "'evil'"),
        ({**header, trunk: {**header[trunk], "shape": [2, 8]}}, trunk),
        ({name: entry for name, entry in header.items() if name != trunk}, "lacks"),
    ]:
        server.add(REPO, {**content, WEIGHTS: priors.join(edited, numbers)})
        assert words in refusal(cache)
    server.add(REPO, {**content, WEIGHTS: priors.join(header, b"\xff" * len(numbers))})
    assert "not finite" in refusal(cache)
    server.add(REPO, {**content, WEIGHTS: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"})
    assert "not a safetensors file" in refusal(cache)


def test_names_that_lead_out_write_nothing_there(
    server: HubServer, content: dict[str, bytes], cache: Path, tmp_path: Path
) -> None:
    before = outside(tmp_path, cache)
    evil = ["../../../../evil.txt", "/etc/evil", "a/../../evil.txt", "..\\evil", "model.safetensors/../../../evil"]
    server.add(REPO, content)
    server.faults.claim_files = evil
    assert Prior.from_pretrained(REPO, cache_dir=cache).id == priors.make().id
    assert not any("evil" in path for _, path, _ in server.log)
    for revision in ("../../../evil", "a/../../b", "/evil", "-f", "", "a b", "x" * 300, "a\n"):
        assert "is no revision" in refusal(cache, revision=revision)
    for repo in ("../evil", "owner/..", "owner/na me", "owner/../x", "owner//x"):
        with pytest.raises(InputError):
            Prior.from_pretrained(repo, cache_dir=cache)
    # a link in a repository is a file whose content is where it leads to
    server.add("owner/links", {"config.json": b"/etc/passwd", WEIGHTS: b"../../secret"})
    assert "not JSON" in refusal(cache, "owner/links")
    assert outside(tmp_path, cache) == before


def test_a_hub_that_is_none(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.add(REPO, {})
    server.repos[REPO].branches["main"] = "../../escape"
    server.repos[REPO].commits["../../escape"] = {}
    with pytest.raises(InputError, match="names no commit"):
        hub.look_up(REPO)


# ---- another process, as a user has it ---------------------------------------------------------------------------

SCRIPT = """
import sys
import fiftyone_latent_inr as linr
for step in sys.argv[1:]:
    name, _, argument = step.partition(" ")
    try:
        if name == "push":
            print(prior.push_to_hub(argument))
        else:
            prior = linr.Prior.from_pretrained(*argument.split("@"), cache_dir=name if name != "load" else None)
            print(prior.id, prior.revision)
    except linr.InputError as error:
        print("refused:", error)
"""


def test_by_environment_alone(content: dict[str, bytes], tmp_path: Path) -> None:
    folder, empty = tmp_path / "prior", tmp_path / "empty"
    folder.mkdir()
    for name, data in content.items():
        (folder / name).write_bytes(data)

    def run(*steps: str, **settings: str) -> list[str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        environment |= {"HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_XET": "1", "NO_PROXY": "127.0.0.1"}
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, *steps],
            capture_output=True,
            text=True,
            check=False,
            env={**environment, **settings},
            cwd=Path(__file__).resolve().parents[2],
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    with HubServer() as server:
        out = run(f"load {folder}", f"push {REPO}", f"load {REPO}", HF_ENDPOINT=server.url, HF_TOKEN="hf_good")
        commit, own = server.repos[REPO].branches["main"], priors.make().id
        assert out == [f"{own} None", f"{server.url}/{REPO}/commit/{commit}", f"{own} {commit}"]
        asked = len(server.log)
        out = run(f"load {REPO}@main", f"{empty} {REPO}", HF_ENDPOINT=server.url, HF_HUB_OFFLINE="1")
        assert out[0] == f"{own} {commit}"
        assert out[1].startswith(f"refused: {REPO} is not in the cache, and HF_HUB_OFFLINE is set")
        assert len(server.log) == asked
