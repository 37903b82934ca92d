# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read and write settings-store.json and settings.json without losing anything of them."""

from __future__ import annotations

import json
import math
import typing as t
from dataclasses import dataclass

from ansible_collections.gpulab.workstation.plugins.module_utils._desktop_settings.encoding import decode
from ansible_collections.gpulab.workstation.plugins.module_utils._desktop_settings.errors import DesktopSettingsError

Settings = t.Dict[str, t.Any]


@dataclass(frozen=True)
class Document:
    """The text is without a byte order mark; a file that is missing or empty holds no settings."""

    text: str
    value: Settings
    had_mark: bool


def load(raw: bytes, path: str) -> Document:
    """Parse the bytes of the file; path is its name in errors."""
    text, had_mark = decode(raw, path)
    if not text.strip():
        return Document(text, {}, had_mark)

    def members(pairs: list[tuple[str, t.Any]]) -> Settings:
        refuse_duplicates((key for key, _value in pairs), path)
        return dict(pairs)

    def number(word: str) -> float:
        # Python writes an infinity as a word that is no JSON.
        if not math.isfinite(value := float(word)):
            raise DesktopSettingsError(f"{path}: {word} is no number that this program can keep. Correct it by hand.")
        return value

    try:
        value = json.loads(text, object_pairs_hook=members, parse_float=number, parse_constant=number)
    except json.JSONDecodeError as error:
        raise DesktopSettingsError(
            f"{path}, line {error.lineno}, column {error.colno}: not JSON ({error.msg}). The file was left as it is. "
            "Correct it, restore an earlier copy if there is one, or move it away: then it is made anew."
        ) from error
    except RecursionError as error:
        raise DesktopSettingsError(f"{path}: values are nested too deep to be settings of Docker Desktop.") from error
    if not isinstance(value, dict):
        kind = "a list" if isinstance(value, list) else "a single value"
        raise DesktopSettingsError(
            f"{path}: holds {kind}, and Docker Desktop keeps its settings in an object: {{ ... }}. The file was left "
            "as it is. Correct it, or move it away: then it is made anew."
        )
    return Document(text, value, had_mark)


def dump(settings: Settings) -> str:
    """As Docker Desktop writes it: two spaces, and characters as they are."""
    text = json.dumps(settings, indent=2, ensure_ascii=False, allow_nan=False)
    # Half of a surrogate pair is possible in JSON, as an escape; UTF-8 has no bytes for it.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def refuse_duplicates(keys: t.Iterable[str], path: str) -> None:
    """Docker Desktop reads keys without regard to case: which of two it would take is nobody's guess."""
    seen: dict[str, str] = {}
    for key in keys:
        if (other := seen.get(key.casefold())) is not None:
            raise DesktopSettingsError(
                f"{path}: {json.dumps(other)} and {json.dumps(key)} are the same key to Docker Desktop, and stand in "
                "one object. Nothing was changed. Remove one of them."
            )
        seen[key.casefold()] = key
