"""The lowest versions that the project allows of what it needs: as constraints for pip, and tests that run with them.

    python -m scripts.lowest_versions constraints > FILE    # each requirement at its lower bound
    python -m scripts.lowest_versions test                  # in an environment of these

`make test-lowest` does both; the record of the tests is benchmarks/results/lowest.json. The first needs the standard
library alone.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[1]
# FiftyOne below 1.22.1 does not import with graphql-core 3.3, and does not say so.
BESIDE = ("graphql-core<3.3",)
# Those that call what is required: coding, flow, decoding and encoding, pictures, teachers, the Hub's client, a fit, a
# search, FiftyOne's zoo, plugins and forms, the command line. The whole of `make test` would say little more.
TESTS = (
    *("tests/codec", "tests/demo", "tests/hub_models", "tests/semantics", "tests/small_world"),
    *("tests/encoding/test_fit.py", "tests/frames/test_motion.py", "tests/latent_video/test_video.py"),
    *("tests/priors/test_hub.py", "tests/rendering/test_draw.py", "tests/datasets/search/test_index.py"),
    *("tests/video/test_decode.py", "tests/video/test_image_reader.py", "tests/video/test_writer.py"),
    *("tests/operators/test_operators.py", "tests/operators/test_package.py", "tests/operators/test_fit.py"),
)


def requirements() -> dict[str, str]:
    """Name -> range, as requirements.txt has them."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    found = (re.fullmatch(r"([A-Za-z0-9._-]+)(\S*)", line) for line in lines if not line.startswith("#"))
    return {match[1]: match[2] for match in found if match}


def lowest() -> dict[str, str]:
    """Name -> the lowest version of its range.

    Raises:
        SystemExit: a requirement has no lower bound.
    """
    bounds = {}
    for name, allowed in requirements().items():
        match = re.match(r">=([0-9][0-9.]*)", allowed)
        if not match:
            raise SystemExit(f"requirements.txt: {name} has no lower bound")
        bounds[name] = match[1]
    return bounds


def test() -> int:
    """Runs the tests, and records what came of them with the versions that were there."""
    from benchmarks.shared.records import write_record

    options = ["-q", "-m", "not slow and not gpu and not e2e", "--timeout=900"]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "tests.xml"
        command = [sys.executable, "-m", "pytest", *options, f"--junitxml={report}", *TESTS, *sys.argv[2:]]
        status = subprocess.run(command, cwd=ROOT, check=False).returncode
        suites = list(ElementTree.parse(report).getroot().iter("testsuite"))
    counts = {
        what: sum(int(suite.get(what, 0)) for suite in suites) for what in ("tests", "failures", "errors", "skipped")
    }
    failed = [
        f"{case.get('classname')}::{case.get('name')}"
        for suite in suites
        for case in suite.iter("testcase")
        if case.find("failure") is not None or case.find("error") is not None
    ]
    versions = {name: {"range": allowed, "tested": version(name)} for name, allowed in requirements().items()}
    others = {line: version(re.split(r"[<>=]", line)[0]) for line in BESIDE}
    write_record(
        "lowest",
        {
            "command": "make test-lowest",
            "versions": versions,
            "beside": others,
            "tests": list(TESTS),
            **{"counts": counts},
        }
        | {"failed": failed},
    )
    return status


def main() -> None:
    """Does what the command line asks for."""
    if sys.argv[1:2] == ["constraints"]:
        print("\n".join([*(f"{name}=={number}" for name, number in lowest().items()), *BESIDE]))
    elif sys.argv[1:2] == ["test"]:
        raise SystemExit(test())
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    main()
