# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Active entries of one apt source file, in both of apt's formats (sources.list(5)), as pure functions of its text."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.gpulab.workstation.plugins.module_utils._apt_sources.uris import same_repository

# deb [ option=value option+=value ] uri suite component...; apt takes blanks around and inside the brackets.
_ONE_LINE = re.compile(r"^\s*(?P<type>deb|deb-src)\s+(?:\[(?P<options>[^\]]*)\]\s*)?(?P<uri>\S+)\s+\S")
_FIELD = re.compile(r"^(?P<name>[A-Za-z][A-Za-z0-9-]*)\s*:(?P<value>.*)$")
# apt's own reading of a boolean, strutl.cc StringToBool.
_NO = ("no", "false", "without", "off", "disable", "0")


class Entry(t.NamedTuple):
    """An active entry: where it begins, and what it says."""

    line: int
    uris: tuple[str, ...]
    text: str


class _Field(t.NamedTuple):
    name: str
    value: str
    first: int  # lines, counted from 0
    last: int


def find(text: str, deb822: bool, uris: t.Sequence[str]) -> list[Entry]:
    """The active entries for any of these repositories."""
    entries = _stanza_entries(text) if deb822 else _line_entries(text)
    return [entry for entry in entries if any(_is_one_of(uri, uris) for uri in entry.uris)]


def switch_off(text: str, deb822: bool, uris: t.Sequence[str], note: str) -> str:
    """The same text, with the entries for these repositories switched off and everything else as it was."""
    return _switch_off_stanzas(text, uris, note) if deb822 else _switch_off_lines(text, uris, note)


def _is_one_of(uri: str, uris: t.Sequence[str]) -> bool:
    return any(same_repository(uri, other) for other in uris)


def _line_entries(text: str) -> t.Iterator[Entry]:
    for number, line in enumerate(text.splitlines(), 1):
        match = _ONE_LINE.match(line)
        if match:
            yield Entry(number, (match.group("uri").strip('"'),), line.strip())


def _switch_off_lines(text: str, uris: t.Sequence[str], note: str) -> str:
    off = {entry.line for entry in find(text, False, uris)}
    lines = text.splitlines(keepends=True)
    return "".join(f"# {note}: {line}" if number in off else line for number, line in enumerate(lines, 1))


def _stanzas(lines: t.Sequence[str]) -> t.Iterator[list[_Field]]:
    fields: list[_Field] = []
    for index, line in enumerate(lines):
        if not line.strip():
            if fields:
                yield fields
            fields = []
        elif line.startswith("#"):
            continue  # a comment is allowed even between the lines of one field
        elif line[0] in " \t" and fields:
            last = fields[-1]
            fields[-1] = last._replace(value=f"{last.value}\n{line.strip()}", last=index)
        else:
            match = _FIELD.match(line.rstrip("\r\n"))
            if match:
                fields.append(_Field(match.group("name").lower(), match.group("value").strip(), index, index))
    if fields:
        yield fields


def _value(fields: t.Sequence[_Field], name: str) -> str:
    return next((field.value for field in fields if field.name == name), "")


def _is_active(fields: t.Sequence[_Field]) -> bool:
    return _value(fields, "enabled").lower() not in _NO and bool(_value(fields, "uris"))


def _stanza_entries(text: str) -> t.Iterator[Entry]:
    for fields in _stanzas(text.splitlines()):
        if _is_active(fields):
            summary = " ".join(_value(fields, name) for name in ("types", "uris", "suites", "components"))
            yield Entry(fields[0].first + 1, tuple(_value(fields, "uris").split()), " ".join(summary.split()))


def _switch_off_stanzas(text: str, uris: t.Sequence[str], note: str) -> str:
    lines = text.splitlines(keepends=True)
    # From the end, so that the numbers of the lines before stay true.
    for fields in reversed(list(_stanzas(lines))):
        own = _value(fields, "uris").split()
        others = [uri for uri in own if not _is_one_of(uri, uris)]
        if not _is_active(fields) or len(others) == len(own):
            continue
        name, value = ("URIs", " ".join(others)) if others else ("Enabled", "no")
        old = next((field for field in fields if field.name == name.lower()), None)
        replacement = [f"# {note}:\n", f"{name}: {value}\n"]
        if old is None:
            lines[fields[0].first : fields[0].first] = replacement
        else:
            lines[old.first : old.last + 1] = replacement
    return "".join(lines)
