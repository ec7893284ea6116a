"""Two states, or two of anything JSON-able, in; what of the second is not as in the first, out."""

from __future__ import annotations

from typing import Any

from .effects import general


def differences(clean: Any, found: Any, name: str = "") -> list[str]:
    """What of a state is not as in a clean one, a line each."""
    if isinstance(clean, dict) and isinstance(found, dict):
        lines = []
        for part in sorted(clean.keys() | found.keys()):
            inner = f"{name} {part}".strip()
            if part not in clean:
                lines.append(f"{inner}: there, and not in a clean run: {_short(found[part])}")
            elif part not in found:
                lines.append(f"{inner}: missing")
            else:
                lines += differences(clean[part], found[part], inner)
        return lines
    return [] if clean == found else [f"{name}: {_short(found)} in place of {_short(clean)}"]


def _short(value: Any) -> str:
    text = general(str(value))
    return text if len(text) < 120 else f"{text[:117]}..."
