"""Writes into docs/moved.md where modules and public names of an earlier commit are now.

    python scripts/moved.py COMMIT

Files that moved without edits are known from `git log`; a name is looked for in all modules of today.
"""

from __future__ import annotations

import ast
import subprocess
import sys

from package_map import NAME, ROOT, insert

PAGE = ROOT / "docs" / "moved.md"
MODULES = "<!-- modules: begin -->", "<!-- modules: end -->"
NAMES = "<!-- names: begin -->", "<!-- names: end -->"


def git(*arguments: str) -> str:
    """What a command of git prints."""
    return subprocess.run(["git", *arguments], capture_output=True, text=True, cwd=ROOT, check=True).stdout


def address(path: str) -> str:
    """A file as a module of the package."""
    return path.removeprefix(f"{NAME}/").removesuffix(".py").replace("/", ".").removesuffix(".__init__")


# Names of which a module elsewhere defines another of the same name, or that were renamed on the way.
BY_HAND = {
    ("latent_video", "to_bytes"): "latent_video.write.to_bytes",
    ("fit_parts", "measure"): "encoding.measure.measure",
    ("fitting.config", "PRESETS"): "fitting.presets.PRESETS",
    ("resources", "NO_PRIOR"): "encoding.choose_prior.NO_PRIOR",
    ("datasets.fit", "DEFAULT_TEACHER"): "datasets.teachers.DEFAULT_TEACHER",
    ("fitting.many", "Task"): "fitting.task.GroupTask",
    ("fitting.loop", "Steps"): "fitting.loop.OptimiserSteps",
    ("checkpoint", "Finished"): "encoding.checkpoint.FinishedGroup",
    ("codec.quantisation", "peak_steps"): "codec.quantisation.peak_step_sizes",
    ("codec.quantisation", "round_steps"): "codec.quantisation.round_step_sizes",
    ("video", "Frames"): "video.decode.Video",
}


def names(source: str) -> set[str]:
    """Public classes and functions that a module defines, and constants in capitals, but no aliases of types."""
    found: set[str] = set()
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name) and target.id.isupper()}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
    return {name for name in found if not name.startswith("_")}


def moves(commit: str) -> dict[str, str]:
    """Path then -> path now, of files that moved without edits."""
    now: dict[str, str] = {}
    for line in git("log", "--reverse", "--name-status", "-M100%", "--format=", f"{commit}..HEAD").splitlines():
        kind, *paths = line.split("\t")
        if kind == "R100" and paths[0].endswith(".py"):
            first = next((old for old, new in now.items() if new == paths[0]), paths[0])
            now[first] = paths[1]
    return now


def main() -> None:
    commit = sys.argv[1]
    moved = moves(commit)
    paths = [path for path in git("ls-tree", "-r", "--name-only", commit, NAME).splitlines() if path.endswith(".py")]
    today = {
        str(path.relative_to(ROOT)): names(path.read_text(encoding="utf-8")) for path in ROOT.glob(f"{NAME}/**/*.py")
    }
    modules, single = [], []
    for path in paths:
        target = moved.get(path, path)
        if target != path and target in today:
            modules.append(f"| `{address(path)}` | `{address(target)}` |")
        elsewhere: dict[str, list[str]] = {}
        for name in sorted(names(git("show", f"{commit}:{path}")) - today.get(target, set())):
            there = [file for file, defined in today.items() if name in defined]
            if len(there) == 1 and (address(path), name) not in {*BY_HAND, ("many_videos", "Video")}:
                elsewhere.setdefault(there[0], []).append(f"`{name}`")
        single += [f"| `{address(path)}` | `{address(to)}` | {', '.join(n)} |" for to, n in sorted(elsewhere.items())]
    for (old, name), new in BY_HAND.items():
        module, _, now = new.rpartition(".")
        single.append(f"| `{old}` | `{module}` | `{now}`{'' if now == name else f' (then {name})'} |")
    text = insert(PAGE.read_text(encoding="utf-8"), "\n".join(["| then | now |", "| --- | --- |", *modules]), MODULES)
    text = insert(text, "\n".join(["| then | now | names |", "| --- | --- | --- |", *single]), NAMES)
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
