"""A Hub on this machine: the part of the Hugging Face Hub's HTTP interface that its client uses for model repositories.

Repositories live in memory, with branches, commits, large files behind redirects to a second server (as to a CDN), and
faults to order.
"""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

Content = dict[str, bytes]


def _commit_id(content: Content, parent: str) -> str:
    digest = hashlib.sha1(parent.encode())
    for name, data in sorted(content.items()):
        digest.update(name.encode() + hashlib.sha1(data).digest())
    return digest.hexdigest()


def is_large(name: str) -> bool:
    """Whether a file is stored as Git LFS does: the Hub's own rule for weights."""
    return name.endswith((".safetensors", ".bin", ".pt"))


def etag(name: str, data: bytes) -> str:
    """SHA-256 of a large file, Git's hash of another."""
    return (
        hashlib.sha256(data).hexdigest()
        if is_large(name)
        else hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
    )


@dataclass
class Repo:
    """A repository: commits by id, branches by name."""

    private: bool = False
    gated: bool = False
    commits: dict[str, Content] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)

    def commit(self, changes: Content, branch: str = "main", message: str = "", deleted: tuple[str, ...] = ()) -> str:
        """Adds a commit to a branch, and returns its id."""
        parent = self.branches.get(branch) or self.branches.get("main", "")
        content = {**self.commits.get(parent, {}), **changes}
        for name in deleted:
            content.pop(name, None)
        commit = _commit_id(content, parent)
        self.commits[commit], self.branches[branch] = content, commit
        self.messages.append(message)
        return commit

    def resolve(self, revision: str) -> str | None:
        """The commit of a branch or a commit."""
        return self.branches.get(revision) or (revision if revision in self.commits else None)


@dataclass
class Faults:
    """What is to go wrong.

    Attributes:
        status: of every answer of the API and of files, in place of the right one.
        break_after: bytes after which the connection ends, the next time that so long a body is sent.
        tamper: changes the body of a file, not its length.
        claim_size: sizes that listing and headers state, by name, in place of the right ones.
        claim_files: names that the listing has besides the right ones.
    """

    status: int | None = None
    break_after: int | None = None
    tamper: Callable[[str, bytes], bytes] | None = None
    claim_size: dict[str, int] = field(default_factory=dict)
    claim_files: list[str] = field(default_factory=list)


class HubServer:
    """The server; a context manager.

    Attributes:
        url: its address, for HF_ENDPOINT.
        repos: repositories by id.
        tokens: of users, by token; whoever has one may read everything and write to `owner/...`.
        faults: see `Faults`.
        log: (method, path, Range header) of each request.
    """

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.tokens = {"hf_good": "owner"}
        self.faults = Faults()
        self.log: list[tuple[str, str, str | None]] = []
        self.uploads: dict[str, bytes] = {}
        self._servers = [ThreadingHTTPServer(("127.0.0.1", 0), self._handler()) for _ in range(2)]
        # the second one is to the client what a CDN is: another host, which must not see the token
        self.url, self.cdn = (f"http://127.0.0.1:{server.server_port}" for server in self._servers)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        return type("Handler", (_Handler,), {"hub": self})

    def __enter__(self) -> HubServer:
        for server in self._servers:
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def add(self, repo: str, files: Content, **settings: Any) -> str:
        """A repository with these files; returns the commit."""
        self.repos[repo] = Repo(**settings)
        return self.repos[repo].commit(files)

    def bodies(self, name: str) -> list[tuple[str, str | None]]:
        """(path, Range) of each request that fetched the content of a file."""
        return [(path, bounds) for method, path, bounds in self.log if method == "GET" and path.endswith(f"/{name}")]


class _Handler(BaseHTTPRequestHandler):
    hub: HubServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._answer("GET")

    def do_HEAD(self) -> None:
        self._answer("HEAD")

    def do_POST(self) -> None:
        self._answer("POST")

    def do_PUT(self) -> None:
        self._answer("PUT")

    # ---- routes ------------------------------------------------------------------------------------------------

    def _answer(self, method: str) -> None:
        url = urlsplit(self.path)
        parts = [unquote(part) for part in url.path.strip("/").split("/")]
        body = self._body()
        self.hub.log.append((method, url.path, self.headers.get("Range")))
        on_cdn = self.server.server_address[1] == int(self.hub.cdn.rsplit(":", 1)[1])  # type: ignore[index]
        if on_cdn:
            if self.headers.get("Authorization"):
                return self._fail(400, message="a token was sent to the CDN")
            if method == "PUT":
                self.hub.uploads[parts[-1]] = body
                return self._json({})
            _, owner, name, commit, file = parts
            return self._file(method, self.hub.repos[f"{owner}/{name}"].commits[commit][file], file, {})
        if self.hub.faults.status is not None:
            codes = {404: "RepoNotFound"}
            return self._fail(self.hub.faults.status, codes.get(self.hub.faults.status))
        if parts[0] == "api":
            return self._api(method, parts[1:], parse_qs(url.query), body)
        if parts[1].endswith(".git"):
            return self._lfs(f"{parts[0]}/{parts[1][:-4]}", parts[2:], json.loads(body))
        if parts[2] == "resolve":
            return self._resolve(method, f"{parts[0]}/{parts[1]}", parts[3], "/".join(parts[4:]))
        self._fail(404)

    def _api(self, method: str, parts: list[str], query: dict[str, list[str]], body: bytes) -> None:
        if parts == ["whoami-v2"]:
            user = self._user()
            return self._json({"name": user, "type": "user", "orgs": []}) if user else self._fail(401)
        if parts == ["validate-yaml"]:
            return self._validate(json.loads(body)["content"])
        if parts == ["repos", "create"]:
            return self._create(json.loads(body))
        writes = method == "POST" and parts[3] in ("preupload", "commit", "branch")
        repo = self._repo("/".join(parts[1:3]), to_write=writes)
        if repo is not None:
            self._act(repo, parts, query, body)

    def _act(self, repo: Repo, parts: list[str], query: dict[str, list[str]], body: bytes) -> None:
        """Answers what is asked of a repository, or done to it."""
        repo_id = "/".join(parts[1:3])
        action, rest = (parts[3], parts[4:]) if len(parts) > 3 else ("revision", ["main"])
        if action == "branch":
            if rest[0] in repo.branches:
                return self._fail(409)
            repo.branches[rest[0]] = repo.branches["main"]
            return self._json({})
        commit = repo.resolve(rest[0])
        if commit is None:
            return self._fail(404, "RevisionNotFound")
        files = repo.commits[commit]
        if action == "preupload":
            asked = [one["path"] for one in json.loads(body)["files"]]
            modes = [
                {"path": name, "uploadMode": "lfs" if is_large(name) else "regular", "shouldIgnore": False}
                for name in asked
            ]
            return self._json({"files": modes})
        if action == "commit":
            return self._commit(repo, repo_id, rest[0], "create_pr" in query, body)
        if action == "tree":
            return self._json([self._tree_entry(name, data) for name, data in files.items()])
        siblings = [self._sibling(name, data) for name, data in files.items()]
        siblings += [{"rfilename": name, "size": 1} for name in self.hub.faults.claim_files]
        self._json({"id": repo_id, "sha": commit, "private": repo.private, "siblings": siblings})

    def _sibling(self, name: str, data: bytes) -> dict[str, Any]:
        size = self.hub.faults.claim_size.get(name, len(data))
        large = {"lfs": {"size": size, "sha256": etag(name, data), "pointerSize": 130}} if is_large(name) else {}
        return {"rfilename": name, "size": size, "blobId": "0" * 40, **large}

    def _tree_entry(self, name: str, data: bytes) -> dict[str, Any]:
        large = {"lfs": {"size": len(data), "oid": etag(name, data), "pointerSize": 130}} if is_large(name) else {}
        return {"type": "file", "path": name, "size": len(data), "oid": "0" * 40, **large}

    def _create(self, asked: dict[str, Any]) -> None:
        user = self._user()
        repo_id = f"{asked.get('organization') or user}/{asked['name']}"
        if user is None:
            return self._fail(401)
        if not repo_id.startswith(f"{user}/"):
            return self._fail(403)
        if repo_id in self.hub.repos:
            return self._json({"url": f"{self.hub.url}/{repo_id}", "error": "there is one"}, 409)
        private = asked.get("visibility") == "private" or bool(asked.get("private"))
        self.hub.add(repo_id, {".gitattributes": b"*.safetensors filter=lfs\n"}, private=private)
        self._json({"url": f"{self.hub.url}/{repo_id}", "name": repo_id, "id": "1"})

    def _validate(self, content: str) -> None:
        import yaml

        try:
            data = yaml.safe_load(content.split("---")[1])
            errors = [] if isinstance(data, dict) and "license" in data else [{"message": "no license"}]
        except (IndexError, yaml.YAMLError) as error:
            errors = [{"message": str(error)}]
        self._json({"errors": errors, "warnings": []}, 400 if errors else 200)

    def _lfs(self, repo_id: str, parts: list[str], asked: dict[str, Any]) -> None:
        if self._repo(repo_id, to_write=True) is None:
            return None
        if parts == ["info", "lfs", "verify"]:
            data = self.hub.uploads.get(asked["oid"], b"")
            right = len(data) == asked["size"] and hashlib.sha256(data).hexdigest() == asked["oid"]
            return self._json({}) if right else self._fail(400, message="another content than was announced")
        actions = {"verify": {"href": f"{self.hub.url}/{repo_id}.git/info/lfs/verify"}}
        objects = [
            {**one, "actions": {**actions, "upload": {"href": f"{self.hub.cdn}/upload/{one['oid']}"}}}
            for one in asked["objects"]
        ]
        self._json({"transfer": "basic", "objects": objects})

    def _commit(self, repo: Repo, repo_id: str, branch: str, as_pull_request: bool, body: bytes) -> None:
        lines = [json.loads(line) for line in body.splitlines()]
        changes: Content = {}
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                changes[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                changes[value["path"]] = self.hub.uploads[value["oid"]]
        message = next(line["value"]["summary"] for line in lines if line["key"] == "header")
        branch = f"refs/pr/{len(repo.messages)}" if as_pull_request else branch
        commit = repo.commit(changes, branch, message)
        answer = {"commitUrl": f"{self.hub.url}/{repo_id}/commit/{commit}", "commitOid": commit, "success": True}
        if as_pull_request:
            answer["pullRequestUrl"] = f"{self.hub.url}/{repo_id}/discussions/1"
        self._json(answer)

    def _resolve(self, method: str, repo_id: str, revision: str, name: str) -> None:
        repo = self._repo(repo_id)
        if repo is None:
            return None
        commit = repo.resolve(revision)
        if commit is None:
            return self._fail(404, "RevisionNotFound")
        data = repo.commits[commit].get(name)
        if data is None:
            return self._fail(404, "EntryNotFound", {"X-Repo-Commit": commit})
        headers = {"X-Repo-Commit": commit, "ETag": f'"{etag(name, data)}"'}
        if not is_large(name):
            return self._file(method, data, name, headers)
        size = self.hub.faults.claim_size.get(name, len(data))
        location = f"{self.hub.cdn}/files/{repo_id}/{commit}/{name}"
        linked = {"X-Linked-Size": str(size), "X-Linked-ETag": f'"{etag(name, data)}"', "Location": location}
        self._send(302, b"", {**headers, **linked})

    # ---- answers -----------------------------------------------------------------------------------------------

    def _user(self) -> str | None:
        return self.hub.tokens.get((self.headers.get("Authorization") or "").removeprefix("Bearer "))

    def _repo(self, repo_id: str, to_write: bool = False) -> Repo | None:
        """The repository, if this user may read (or write) it; else the refusal is sent."""
        repo, user = self.hub.repos.get(repo_id), self._user()
        if repo is None or (repo.private and user is None):
            # as the Hub does: nobody learns which private ones there are
            self._fail(401 if user is None else 404, "RepoNotFound" if user else None)
        elif repo.gated and user is None:
            self._fail(401, "GatedRepo")
        elif to_write and user is None:
            self._fail(401)
        elif to_write and not repo_id.startswith(f"{user}/"):
            self._fail(403)
        else:
            return repo
        return None

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            chunks = []
            while size := int(self.rfile.readline(), 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(chunks)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _file(self, method: str, data: bytes, name: str, headers: dict[str, str]) -> None:
        if self.hub.faults.tamper:
            data = self.hub.faults.tamper(name, data)
        bounds = self.headers.get("Range")
        if not bounds:
            return self._send(200, data, {**headers, "Accept-Ranges": "bytes"}, method)
        start = int(bounds.removeprefix("bytes=").split("-")[0])
        span = f"bytes {start}-{len(data) - 1}/{len(data)}"
        self._send(206, data[start:], {**headers, "Content-Range": span}, method)

    def _json(self, content: Any, status: int = 200) -> None:
        self._send(status, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def _fail(
        self, status: int, code: str | None = None, headers: dict[str, str] | None = None, message: str = "no"
    ) -> None:
        extra = {"X-Error-Code": code} if code else {}
        if status == 429:
            extra["Retry-After"] = "7"
        self._send(
            status, json.dumps({"error": message}).encode(), {**(headers or {}), **extra, "X-Error-Message": message}
        )

    def _send(self, status: int, body: bytes, headers: dict[str, str], method: str = "") -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if (method or self.command) == "HEAD":
            return
        limit = self.hub.faults.break_after
        if limit is not None and len(body) > limit:
            self.hub.faults.break_after = None
            self.wfile.write(body[:limit])
            self.wfile.flush()
            time.sleep(0.05)
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.wfile.write(body)


def set_endpoint(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """What HF_ENDPOINT does, which the client reads when it is imported."""
    template = url + "/{repo_id}/resolve/{revision}/{filename}"
    set_in_client(monkeypatch, ENDPOINT=url, HUGGINGFACE_CO_URL_TEMPLATE=template)


def set_in_client(monkeypatch: pytest.MonkeyPatch, **settings: object) -> None:
    """Sets the client's constants; older ones copy them into their modules."""
    for module in [module for name, module in sys.modules.items() if name.startswith("huggingface_hub")]:
        for name in set(settings) & set(vars(module)):
            monkeypatch.setattr(module, name, settings[name])
