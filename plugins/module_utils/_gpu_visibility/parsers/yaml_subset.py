# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The part of YAML that nvidia-ctk writes, without a YAML library.

Block mappings and sequences, plain and quoted scalars on one line, flow sequences and mappings on one line, comments.
What is beyond that (anchors, aliases, tags, block scalars, several documents) is refused, never guessed.
"""

from __future__ import annotations

import json
import re
import typing as t

_KEY = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s"'\[\]{}#&*!|>%@`,?:-][^#]*?|-[^\s#][^#]*?):(?:\s+(.*))?""")
# With a zero before it, it is octal in one version of YAML and text in the other: text here.
_NUMBER = re.compile(r"[-+]?(?:0|[1-9]\d{0,17})", re.ASCII)
_DEEPEST = 32
_WORDS: dict[str, t.Any] = {"true": True, "false": False, "null": None, "~": None, "": None}


class NotUnderstoodError(ValueError):
    """This text is not YAML, or more of YAML than this module reads; the message says where."""


class _Line(t.NamedTuple):
    number: int
    indent: int
    text: str


def load(text: str) -> t.Any:
    """Raises NotUnderstoodError."""
    lines = _lines(text)
    if not lines:
        return None
    value, rest = _block(lines, 0, lines[0].indent, 0)
    if rest != len(lines):
        raise NotUnderstoodError(f"line {lines[rest].number} is indented like no line above it")
    return value


def _lines(text: str) -> list[_Line]:
    lines: list[_Line] = []
    for number, raw in enumerate(text.splitlines(), 1):
        bare = raw.strip(" ")
        if not bare or bare.startswith("#") or (bare == "---" and not lines):
            continue
        if "\t" in raw[: len(raw) - len(raw.lstrip())] or bare in ("---", "...") or bare.startswith("%"):
            raise NotUnderstoodError(f"line {number}: tabs, directives and a second document are not read here")
        lines.append(_Line(number, len(raw) - len(raw.lstrip(" ")), bare))
    return lines


def _block(lines: list[_Line], at: int, indent: int, depth: int) -> tuple[t.Any, int]:
    if depth > _DEEPEST:
        raise NotUnderstoodError(f"line {lines[at].number} is nested more than {_DEEPEST} deep")
    if _is_item(lines[at].text):
        return _sequence(lines, at, indent, depth)
    if _KEY.fullmatch(_without_comment(lines[at].text)):
        return _mapping(lines, at, indent, depth)
    return _scalar(lines[at].text, lines[at].number, depth), at + 1


def _is_item(text: str) -> bool:
    return text == "-" or text.startswith("- ")


def _sequence(lines: list[_Line], at: int, indent: int, depth: int) -> tuple[list[t.Any], int]:
    items: list[t.Any] = []
    while at < len(lines) and lines[at].indent == indent and _is_item(lines[at].text):
        line = lines[at]
        rest = line.text[1:].lstrip(" ")
        if not rest or rest.startswith("#"):
            value, at = _nested(lines, at + 1, indent, depth)
        else:
            # `- name: x` opens a mapping whose keys stand where `name` does.
            inner = indent + len(line.text) - len(rest)
            lines[at] = _Line(line.number, inner, rest)
            value, at = _block(lines, at, inner, depth + 1)
        items.append(value)
    return items, at


def _mapping(lines: list[_Line], at: int, indent: int, depth: int) -> tuple[dict[str, t.Any], int]:
    found: dict[str, t.Any] = {}
    while at < len(lines) and lines[at].indent == indent and not _is_item(lines[at].text):
        line = lines[at]
        pair = _KEY.fullmatch(_without_comment(line.text))
        if not pair:
            raise NotUnderstoodError(f"line {line.number} is no `key: value`")
        key = str(_scalar(pair[1], line.number, depth)) if pair[1][0] in "\"'" else pair[1]
        if key in found:
            raise NotUnderstoodError(f"line {line.number} has {key} for the second time")
        if pair[2]:
            found[key] = _scalar(pair[2], line.number, depth)
            at += 1
        elif at + 1 < len(lines) and lines[at + 1].indent == indent and _is_item(lines[at + 1].text):
            # A sequence may stand as far left as its key.
            found[key], at = _sequence(lines, at + 1, indent, depth + 1)
        else:
            found[key], at = _nested(lines, at + 1, indent, depth)
    return found, at


def _nested(lines: list[_Line], at: int, indent: int, depth: int) -> tuple[t.Any, int]:
    if at < len(lines) and lines[at].indent > indent:
        return _block(lines, at, lines[at].indent, depth + 1)
    return None, at


def _without_comment(text: str) -> str:
    """Without what follows ` #` outside of quotes."""
    quote = ""
    for place, sign in enumerate(text):
        if quote:
            quote = "" if sign == quote and text[place - 1] != "\\" else quote
        elif sign in "\"'" and (place == 0 or text[place - 1] in " [{,:"):
            quote = sign
        elif sign == "#" and (place == 0 or text[place - 1] == " "):
            return text[:place].rstrip(" ")
    return text.rstrip(" ")


def _scalar(raw: str, number: int, depth: int) -> t.Any:
    text = _without_comment(raw)
    if text[:1] in ("&", "*", "!", "|", ">", "@", "`", "%"):
        raise NotUnderstoodError(f"line {number}: {text[0]} begins something that is not read here")
    if text[:1] in ("[", "{"):
        value, rest = _flow(text, number, depth)
        if rest.strip():
            raise NotUnderstoodError(f"line {number} has more after its closing bracket")
        return value
    if text[:1] == '"':
        try:
            return json.loads(text)
        except ValueError:
            raise NotUnderstoodError(f"line {number} has a quoted text that is not read here") from None
    if text[:1] == "'":
        if len(text) < 2 or not text.endswith("'") or "'" in text[1:-1].replace("''", ""):
            raise NotUnderstoodError(f"line {number} has a quote that does not close")
        return text[1:-1].replace("''", "'")
    return _plain(text)


def _plain(text: str) -> t.Any:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    return int(text) if _NUMBER.fullmatch(text) else text


def _flow(text: str, number: int, depth: int) -> tuple[t.Any, str]:
    """A flow value at the beginning of text, and what is left of it."""
    if depth > _DEEPEST:
        raise NotUnderstoodError(f"line {number} is nested more than {_DEEPEST} deep")
    text = text.lstrip(" ")
    if text[:1] in ("[", "{"):
        is_list, close = text[0] == "[", "]" if text[0] == "[" else "}"
        items: list[t.Any] = []
        pairs: dict[str, t.Any] = {}
        rest = text[1:].lstrip(" ")
        while rest[:1] != close:
            if not is_list:
                key, rest = _flow(rest, number, depth + 1)
                if rest[:1] != ":" or isinstance(key, (list, dict)):
                    raise NotUnderstoodError(f"line {number} has a {{ without `key: value` in it")
                rest = rest[1:]
            value, rest = _flow(rest, number, depth + 1)
            if is_list:
                items.append(value)
            else:
                pairs[str(key)] = value
            rest = rest.lstrip(" ")
            if rest[:1] == ",":
                rest = rest[1:].lstrip(" ")
            elif rest[:1] != close:
                raise NotUnderstoodError(f"line {number} has a bracket that does not close")
        return (items if is_list else pairs), rest[1:]
    found = re.match(
        r"""\s*("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^,\[\]{}:"'\s][^,\[\]{}]*?)\s*(?=[,\]}]|:\s|:$|$)""", text
    )
    if not found:
        raise NotUnderstoodError(f"line {number} has a flow value that is not read here")
    return _scalar(found[1], number, depth + 1), text[found.end() :]
