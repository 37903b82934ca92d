# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Set keys in the text of .wslconfig and leave every other line as it is."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.gpulab.workstation.plugins.module_utils._desktop_settings.encoding import decode
from ansible_collections.gpulab.workstation.plugins.module_utils._desktop_settings.errors import DesktopSettingsError

Sections = t.Mapping[str, t.Mapping[str, t.Any]]

_HEADER = re.compile(r"\s*\[([^\]]*)\]")
_ENTRY = re.compile(r"\s*([^=#;\[\s][^=]*?)\s*=\s*(.*?)\s*$")


def merge(raw: bytes, wanted: Sections, path: str) -> tuple[str, bool]:
    """The new text, and whether it differs from the file; a byte order mark does, because WSL ignores its line."""
    text, had_mark = decode(raw, path)
    before = re.split(r"\r?\n", text.removesuffix("\n").removesuffix("\r")) if text else []
    lines = list(before)
    for section, entries in wanted.items():
        for key, value in entries.items():
            _set(lines, section, key, _written(value), path)
    if lines == before:
        return text, had_mark
    newline = "\n" if "\n" in text and "\r\n" not in text else "\r\n"
    return "".join(line + newline for line in lines), True


def _set(lines: list[str], section: str, key: str, value: str, path: str) -> None:
    start, end = _section(lines, section)
    if start is None:
        lines += [""] * bool(lines) + [f"[{section}]", f"{key}={value}"]
        return
    found = [
        number
        for number in range(start + 1, end)
        if (entry := _ENTRY.match(lines[number])) and entry[1].casefold() == key.casefold()
    ]
    if len(found) > 1:
        raise DesktopSettingsError(
            f"{path}: {key} stands in [{section}] at the lines {', '.join(str(number + 1) for number in found)}. "
            "Nothing was changed. Remove all but one of them."
        )
    if not found:
        # Below the section's last line that says something: the empty line before the next section stays there.
        while end > start + 1 and not lines[end - 1].strip():
            end -= 1
        lines.insert(end, f"{key}={value}")
        return
    entry = _ENTRY.match(lines[found[0]])
    if entry is not None and entry[2] != value:
        lines[found[0]] = f"{entry[1]}={value}"


def _section(lines: list[str], name: str) -> tuple[int | None, int]:
    """The line of the section's header, and the line after its end."""
    start = None
    for number, line in enumerate(lines):
        if not (header := _HEADER.match(line)):
            continue
        if start is not None:
            return start, number
        if header[1].strip().casefold() == name.casefold():
            start = number
    return start, len(lines)


def _written(value: t.Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
