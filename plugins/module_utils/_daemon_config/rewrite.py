# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write a changed configuration back into the text it came from.

Only the stretches that change are written anew; every other byte (key order, indentation, one-line lists, the spelling
of numbers such as 1e3, escapes in strings) stays what it was, so a diff shows the change and nothing else.
"""

from __future__ import annotations

import json
import re
import typing as t

from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.document import Document, Node
from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.merge import same

_DEFAULT_INDENT = "  "
_SURROGATE = re.compile("[\ud800-\udfff]")


def rewrite(document: Document, wanted: dict[str, t.Any]) -> str:
    """The text of document changed so that it parses to wanted; it ends with a newline."""
    if document.root is None:
        return _dump(wanted, _Style("\n", _DEFAULT_INDENT), 0) + "\n"
    text = document.text
    root = document.root
    body = _rewrite_node(text, root, wanted, _Style.of(document), 0)
    result = text[: root.start] + body + text[root.end :]
    return result if result.endswith("\n") else result + "\n"


class _Style:
    def __init__(self, newline: str, indent: str) -> None:
        self.newline = newline
        self.indent = indent

    @classmethod
    def of(cls, document: Document) -> _Style:
        newline = "\r\n" if "\r\n" in document.text else "\n"
        if document.root and document.root.members:
            first = document.text[document.root.start + 1 : document.root.members[0].start]
            _head, line_break, indent = first.rpartition("\n")
            if line_break and indent:
                return cls(newline, indent)
        return cls(newline, _DEFAULT_INDENT)

    def line(self, depth: int) -> str:
        return self.newline + self.indent * depth


def _dump(value: t.Any, style: _Style, depth: int) -> str:
    # JSON strings hold no raw line break, so each line of the result is a line of the layout.
    return style.line(depth).join(_json(value, style.indent).split("\n"))


def _json(value: t.Any, indent: str | None = None) -> str:
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    # Half a surrogate pair has no UTF-8 form, only an escape.
    return json.dumps(value, indent=indent) if _SURROGATE.search(text) else text


def _rewrite_node(text: str, node: Node, wanted: t.Any, style: _Style, depth: int) -> str:
    if same(node.value, wanted):
        return text[node.start : node.end]
    if node.members is None or not isinstance(wanted, dict):
        return _dump(wanted, style, depth)
    return _rewrite_object(text, node, wanted, style, depth)


def _rewrite_object(text: str, node: Node, wanted: dict[str, t.Any], style: _Style, depth: int) -> str:
    members = node.members or ()
    kept = [(index, member) for index, member in enumerate(members) if member.key in wanted]
    added = [key for key in wanted if key not in node.value]
    if not kept:
        return _dump(wanted, style, depth)

    # What stands before each member: "{" and its white space, or the comma and the white space around it.
    before = [text[node.start + 1 : members[0].start]]
    before += [text[left.node.end : right.start] for left, right in zip(members, members[1:])]
    after = text[members[-1].node.end : node.end - 1]
    opening = before[0]
    if added and depth == 0 and "\n" not in text[node.start : node.end]:
        # A file of one line is laid out over several as soon as it grows.
        opening = style.line(1)
        before = [opening] + ["," + opening] * (len(members) - 1)
        after = style.newline
    between = before[-1] if len(before) > 1 else "," + (opening if "\n" in opening else " ")

    pieces = []
    for position, (index, member) in enumerate(kept):
        pieces.append(before[index] if position else opening)
        pieces.append(text[member.start : member.node.start])
        pieces.append(_rewrite_node(text, member.node, wanted[member.key], style, depth + 1))
    for key in added:
        pieces.append(between + _json(key) + ": " + _dump(wanted[key], style, depth + 1))
    return "{" + "".join(pieces) + after + "}"
