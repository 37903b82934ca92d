# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import codecs

import pytest
from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.document import load
from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.errors import DaemonConfigError


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"", {}),
        (b" \n\t\r\n", {}),
        (codecs.BOM_UTF8, {}),
        (b"{}", {}),
        (b' {"a": [1, -2.5, 1e3, true, false]} \n', {"a": [1, -2.5, 1e3, True, False]}),
        (b'{"a": [null, "\\u00e9", {}, []]}', {"a": [None, "é", {}, []]}),
        ('{"é": {"b": "ü"}}'.encode(), {"é": {"b": "ü"}}),
        (b'{"a": 12345678901234567890}', {"a": 12345678901234567890}),
    ],
)
def test_accepts(raw: bytes, value: object) -> None:
    assert load(raw, "daemon.json").value == value


def test_bom_is_noticed_and_dropped() -> None:
    document = load(codecs.BOM_UTF8 + b"{}", "daemon.json")
    assert document.has_bom
    assert document.text == "{}"


REFUSED = {
    "not json": (b"debug = true\n", "line 1, column 1", "'debug' is no JSON value"),
    "yaml": (b"{\n  debug: true\n}", "line 2, column 3", "expected a key in double quotes"),
    "line comment": (b'{\n  // note\n  "a": 1\n}', "line 2, column 3", "a comment (//)"),
    "hash comment": (b'{\n  "a": 1 # note\n}', "line 2, column 10", "a comment (#)"),
    "block comment": (b'/* note */\n{"a": 1}', "line 1, column 1", "a comment (/*)"),
    "comment at the end": (b'{"a": 1}\n# end\n', "line 2, column 1", "a comment (#)"),
    "trailing comma in an object": (b'{\n  "a": 1,\n}\n', "line 2, column 9", "a trailing comma"),
    "trailing comma in an array": (b'{"a": [1,\n2,\n]}', "line 2, column 2", "a trailing comma"),
    "missing comma": (
        b'{\n"a": 1\n"b": 2}',
        "line 3, column 1",
        "expected a comma or '}' in the object that begins at",
    ),
    "two commas": (b'{"a": 1,,\n}', "line 1, column 9", "expected a key"),
    "missing colon": (b'{"a" 1}', "line 1, column 6", 'expected a colon after the key "a"'),
    "missing value": (b'{"a": }', "line 1, column 7", "expected a value, found '}'"),
    "missing item": (b'{"a": [,]}', "line 1, column 8", "expected a value, found ','"),
    "duplicate key": (
        b'{\n  "a": 1,\n  "a": 3\n}',
        "line 3, column 3",
        '"a" appears twice in one object, first at line 2',
    ),
    "duplicate key below": (b'{"r": {"n": 1,\n"n": 1}}', "line 2, column 1", "first at line 1"),
    "duplicate key by escape": (b'{"a": 1, "\\u0061": 2}', "line 1, column 10", "appears twice"),
    "array": (b"\n[1]", "line 2, column 1", "the top level is an array"),
    "string": (b'"x"', "line 1, column 1", "the top level is a single value"),
    "null": (b"null", "line 1, column 1", "the top level is a single value"),
    "second document": (b"{}\n{}", "line 2, column 1", "text after the end"),
    "truncated after brace": (b"{\n", "line 2, column 1", "ends inside the object that begins at line 1"),
    "truncated after key": (b'{\n"a"', "line 2, column 4", "ends inside the object that begins at line 1"),
    "truncated after colon": (b'{"a": ', "line 1, column 7", "it is truncated"),
    "truncated after value": (b'{"a": {"b": 1}', "line 1, column 15", "it is truncated"),
    "truncated after comma": (b'{"a": [1,', "line 1, column 10", "ends inside the array"),
    "truncated in a string": (b'{"a": "x', "line 1, column 7", "is never closed: the file is truncated"),
    "string over two lines": (b'{"a": "x\ny"}', "line 1, column 7", "not closed on its line"),
    "control character": (b'{"a": "x\ty"}', "line 1, column 9", "invalid control character"),
    "bad escape": (b'{"a": "\\q"}', "line 1, column 8", "escape"),
    "single quotes": (b"{'a': 1}", "line 1, column 2", "expected a key in double quotes"),
    "single quoted value": (b"{\"a\": 'x'}", "line 1, column 7", "a single quote"),
    "python literal": (b'{"a": True}', "line 1, column 7", "True is not JSON; write true"),
    "yaml literal": (b'{"a": no}', "line 1, column 7", "no is not JSON; write false"),
    "bare word": (b'{"a": local}', "line 1, column 7", "a string needs double quotes"),
    "leading zero": (b'{"a": 01}', "line 1, column 7", "'01' is no JSON value"),
    "plus sign": (b'{"a": +1}', "line 1, column 7", "'+1' is no JSON value"),
    "octal mode": (b'{"a": 0x1f}', "line 1, column 7", "no JSON value"),
    "not a number": (b'{"a": NaN}', "line 1, column 7", "'NaN' is no JSON value"),
    "huge number": (b'{"a": 1e999}', "line 1, column 7", "too large"),
    "too deep": (b'{"a":' + b"[" * 200 + b"]" * 200 + b"}", "line 1", "deeper than 100 levels"),
    "latin-1": (b'{\n"a": "caf\xe9"\n}', "line 2, column 10", "byte 0xE9 at offset 11 is not UTF-8"),
    "latin-1 after a bom": (codecs.BOM_UTF8 + b'{"a": "\xe9"}', "line 1, column 8", "at offset 10"),
    "nul": (b'{\n"a": 1\n}\n\0\0\0', "line 4", "a NUL byte"),
    "utf-16 with mark": ('{"a": 1}'.encode("utf-16"), "line 1", "is encoded in UTF-16"),
    "utf-16 big endian": (codecs.BOM_UTF16_BE + '{"a": 1}'.encode("utf-16-be"), "FE FF", "iconv -f UTF-16"),
    "utf-16 without mark": ('{"a": 1}'.encode("utf-16-le"), "line 1", "a NUL byte"),
    "utf-32": ('{"a": 1}'.encode("utf-32"), "line 1", "is encoded in UTF-32"),
}


@pytest.mark.parametrize(("raw", "where", "what"), REFUSED.values(), ids=REFUSED.keys())
def test_refuses_and_says_where(raw: bytes, where: str, what: str) -> None:
    with pytest.raises(DaemonConfigError) as error:
        load(raw, "/etc/docker/daemon.json")
    message = str(error.value)
    assert message.startswith("/etc/docker/daemon.json")
    assert where in message
    assert what in message
    assert message.endswith(".")


def test_line_of_a_key() -> None:
    document = load(b'{\n"a": {\n\n"b": 1},\n"c": 2}', "daemon.json")
    assert document.line_of(["a", "b"]) == 4
    assert document.line_of(["a", "missing"]) == 2
    assert document.line_of(["c"]) == 5
    assert document.line_of(["missing"]) is None
