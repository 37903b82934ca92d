# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read daemon.json with the position of every key, and say exactly what is wrong with it.

The standard library's parser is not enough: it accepts duplicate keys silently, knows no comments or trailing commas
by name, and forgets where a value stood, which both good errors and edits that leave the rest alone need.
"""

from __future__ import annotations

import codecs
import json
import math
import re
import typing as t
from dataclasses import dataclass, field

from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.errors import DaemonConfigError

KeyPath = t.Tuple[str, ...]

_MAX_DEPTH = 100
_WHITESPACE = " \t\n\r"
_WORD = re.compile(r"[-+.\w]+")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_LITERALS: t.Mapping[str, bool | None] = {"true": True, "false": False, "null": None}
_FOREIGN_LITERALS = {
    "True": "true",
    "False": "false",
    "None": "null",
    "yes": "true",
    "no": "false",
}
_STRING_DECODER = json.JSONDecoder(strict=True)

# UTF-32 first: its little-endian mark begins with that of UTF-16.
_WIDE_BOMS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)


@dataclass(frozen=True)
class Node:
    """A value and the stretch of text it came from; members only where it is an object."""

    value: t.Any
    start: int
    end: int
    members: tuple[Member, ...] | None = None


@dataclass(frozen=True)
class Member:
    """One key of an object; start is its opening quote."""

    key: str
    start: int
    node: Node


@dataclass(frozen=True)
class Document:
    """A parsed file. An empty file has no root node and counts as an empty object."""

    text: str
    root: Node | None
    has_bom: bool = False
    value: dict[str, t.Any] = field(default_factory=dict)

    def line_of(self, path: t.Sequence[str]) -> int | None:
        """The line of the key at path, or of its nearest ancestor that is in the file."""
        position = None
        node = self.root
        for key in path:
            member = next((m for m in (node.members or ()) if m.key == key), None) if node else None
            if member is None:
                break
            position, node = member.start, member.node
        return None if position is None else _line_and_column(self.text, position)[0]


def load(raw: bytes, source: str) -> Document:
    """Parse the bytes of a file; source is the name used in errors."""
    text, has_bom = decode(raw, source)
    root = _Parser(text, source).document()
    return Document(text=text, root=root, has_bom=has_bom, value=root.value if root else {})


def decode(raw: bytes, source: str) -> tuple[str, bool]:
    """Return the text and whether a UTF-8 byte order mark was dropped."""
    for mark, encoding in _WIDE_BOMS:
        if raw.startswith(mark):
            raise DaemonConfigError(
                f"{source} is encoded in {encoding} (its byte order mark {mark.hex(' ').upper()} is at line 1); "
                f"dockerd reads UTF-8. Convert it: iconv -f {encoding} -t UTF-8."
            )
    has_bom = raw.startswith(codecs.BOM_UTF8)
    body = raw[len(codecs.BOM_UTF8) :] if has_bom else raw
    nul = body.find(b"\0")
    if nul >= 0:
        line = body.count(b"\n", 0, nul) + 1
        raise DaemonConfigError(
            f"{source}, line {line}: a NUL byte. The file was damaged (a crash while it was written leaves such bytes) "
            "or is not UTF-8; restore it from a backup."
        )
    try:
        return body.decode("utf-8"), has_bom
    except UnicodeDecodeError as error:
        line, column = _line_and_column(body[: error.start].decode("utf-8"), error.start)
        offset = error.start + (len(raw) - len(body))
        raise DaemonConfigError(
            f"{source}, line {line}, column {column}: the byte 0x{body[error.start]:02X} at offset {offset} is not "
            "UTF-8. Save the file as UTF-8."
        ) from error


def _line_and_column(text: str, position: int) -> tuple[int, int]:
    before = text[:position]
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


class _Parser:
    def __init__(self, text: str, source: str) -> None:
        self.text = text
        self.source = source
        self.at = 0

    def document(self) -> Node | None:
        self._skip_space()
        if self._ended():
            return None
        node = self._value(0)
        if node.members is None:
            kind = "an array" if isinstance(node.value, list) else "a single value"
            raise self._error(f"the top level is {kind}, dockerd wants an object: {{ ... }}", node.start)
        self._skip_space()
        if not self._ended():
            raise self._error("text after the end of the object; the file must hold one JSON object and nothing else")
        return node

    def _ended(self) -> bool:
        return self.at >= len(self.text)

    def _peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def _error(self, what: str, position: int | None = None) -> DaemonConfigError:
        line, column = _line_and_column(self.text, self.at if position is None else position)
        return DaemonConfigError(f"{self.source}, line {line}, column {column}: {what}.")

    def _line(self, position: int) -> int:
        return _line_and_column(self.text, position)[0]

    def _skip_space(self) -> None:
        while self._peek() and self._peek() in _WHITESPACE:
            self.at += 1
        for opening in ("//", "/*", "#"):
            if self.text.startswith(opening, self.at):
                raise self._error(f"a comment ({opening}). JSON has no comments and dockerd refuses them: remove it")

    def _expect_more(self, inside: str, start: int) -> None:
        if self._ended():
            raise self._error(
                f"the file ends inside the {inside} that begins at line {self._line(start)}: it is truncated"
            )

    def _value(self, depth: int) -> Node:
        if depth > _MAX_DEPTH:
            raise self._error(f"values are nested deeper than {_MAX_DEPTH} levels")
        char = self._peek()
        if char == "{":
            return self._object(depth)
        if char == "[":
            return self._array(depth)
        if char == '"':
            return self._string()
        return self._scalar()

    def _object(self, depth: int) -> Node:
        start = self.at
        members: list[Member] = []
        first_seen: dict[str, int] = {}
        self.at += 1
        self._skip_space()
        while self._peek() != "}":
            self._expect_more("object", start)
            member = self._member(start, depth)
            if member.key in first_seen:
                raise self._error(
                    f"the key {json.dumps(member.key)} appears twice in one object, first at line "
                    f"{self._line(first_seen[member.key])}; dockerd would silently take the last one. Keep one of them",
                    member.start,
                )
            first_seen[member.key] = member.start
            members.append(member)
            self._separator("object", "}", start)
        self.at += 1
        return Node({m.key: m.node.value for m in members}, start, self.at, tuple(members))

    def _member(self, object_start: int, depth: int) -> Member:
        start = self.at
        if self._peek() != '"':
            raise self._error("expected a key in double quotes")
        key = self._string().value
        self._skip_space()
        self._expect_more("object", object_start)
        if self._peek() != ":":
            raise self._error(f"expected a colon after the key {json.dumps(key)}")
        self.at += 1
        self._skip_space()
        self._expect_more("object", object_start)
        return Member(key, start, self._value(depth + 1))

    def _array(self, depth: int) -> Node:
        start = self.at
        items: list[t.Any] = []
        self.at += 1
        self._skip_space()
        while self._peek() != "]":
            self._expect_more("array", start)
            items.append(self._value(depth + 1).value)
            self._separator("array", "]", start)
        self.at += 1
        return Node(items, start, self.at)

    def _separator(self, inside: str, closing: str, start: int) -> None:
        self._skip_space()
        self._expect_more(inside, start)
        char = self._peek()
        if char == closing:
            return
        if char != ",":
            raise self._error(
                f"expected a comma or {closing!r} in the {inside} that begins at line {self._line(start)}"
            )
        comma = self.at
        self.at += 1
        self._skip_space()
        self._expect_more(inside, start)
        if self._peek() == closing:
            raise self._error(f"a trailing comma: the last entry before {closing!r} must not have one", comma)

    def _string(self) -> Node:
        start = self.at
        try:
            value, self.at = _STRING_DECODER.raw_decode(self.text, start)
        except json.JSONDecodeError as error:
            if error.msg.startswith("Unterminated"):
                raise self._error(
                    "the string that begins here is never closed: the file is truncated", start
                ) from error
            if self.text[error.pos : error.pos + 1] in ("\n", "\r"):
                raise self._error("the string that begins here is not closed on its line", start) from error
            raise self._error(f"{error.msg[0].lower()}{error.msg[1:]} in a string", error.pos) from error
        return Node(value, start, self.at)

    def _scalar(self) -> Node:
        start = self.at
        match = _WORD.match(self.text, start)
        if match is None:
            if self._peek() == "'":
                raise self._error("a single quote; JSON strings stand in double quotes")
            raise self._error(f"expected a value, found {self._peek()!r}")
        word = match.group()
        self.at = match.end()
        if word in _LITERALS:
            return Node(_LITERALS[word], start, self.at)
        if word in _FOREIGN_LITERALS:
            raise self._error(f"{word} is not JSON; write {_FOREIGN_LITERALS[word]}", start)
        number = _NUMBER.fullmatch(word)
        if number is None:
            raise self._error(f"{word!r} is no JSON value; a string needs double quotes", start)
        if not math.isfinite(float(word)):
            raise self._error(f"the number {word[:20]}... is too large", start)
        is_integer = number.group(1) is None and number.group(2) is None
        return Node(int(word) if is_integer else float(word), start, self.at)
