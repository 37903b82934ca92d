# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import codecs

import pytest
from ansible_collections.gpulab.workstation.plugins.module_utils._desktop_settings.document import dump, load
from ansible_collections.gpulab.workstation.plugins.module_utils._desktop_settings.errors import DesktopSettingsError
from hypothesis import given
from hypothesis import strategies as st

PATH = r"C:\Users\ada\AppData\Roaming\Docker\settings-store.json"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "é"]), inner, max_size=3),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("raw", "value", "had_mark"),
    [
        (b'{"Cpus": 2}', {"Cpus": 2}, False),
        (codecs.BOM_UTF8 + b'{"Cpus": 2}', {"Cpus": 2}, True),
        ('{"DataFolder": "C:\\\\Müller"}'.encode("utf-16"), {"DataFolder": "C:\\Müller"}, True),
        (codecs.BOM_UTF16_BE + '{"Cpus": 2}'.encode("utf-16-be"), {"Cpus": 2}, True),
        ('{"Cpus": 2}'.encode("utf-32"), {"Cpus": 2}, True),
        (b"", {}, False),
        (b"\r\n", {}, False),
        (codecs.BOM_UTF8, {}, True),
    ],
)
def test_reads_what_editors_write(raw: bytes, value: object, had_mark: bool) -> None:
    document = load(raw, PATH)
    assert document.value == value
    assert document.had_mark is had_mark
    assert not document.text.startswith("\ufeff")


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b'{"Cpus": 2,}', ["line 1, column", "not JSON", "move it away"]),
        (b'{\n"Cpus": 2', ["line 2", "not JSON"]),
        (b"[1]", ["a list", "an object"]),
        (b'"x"', ["a single value"]),
        (b"null", ["a single value"]),
        (b'{"Cpus": 2, "cpus": 4}', ['"Cpus" and "cpus"', "Remove one"]),
        (b'{"Cpus": 2, "Cpus": 4}', ['"Cpus" and "Cpus"', "Remove one"]),
        (b'{"Proxy": {"mode": 1, "Mode": 2}}', ['"mode" and "Mode"']),
        (b'{"Cpus": NaN}', ["NaN"]),
        (b'{"Cpus": 1e999}', ["1e999"]),
        (b'{"DataFolder": "M\xfcller"}', ["offset 17 is not UTF-8", "an earlier copy"]),
        (b'{\n"Cpus": 2}\0\0', ["line 2: a NUL"]),
        (b'{"a":' * 100_000, ["nested too deep"]),
    ],
)
def test_refuses_and_names_the_file(raw: bytes, words: list[str]) -> None:
    with pytest.raises(DesktopSettingsError) as error:
        load(raw, PATH)
    assert str(error.value).startswith(PATH)
    for word in words:
        assert word in str(error.value)


@given(st.dictionaries(st.sampled_from(["Cpus", "MemoryMiB", "x"]), JSON))
def test_what_is_written_is_read_again(settings: dict[str, object]) -> None:
    assert load(dump(settings).encode(), PATH).value == settings


def test_half_a_surrogate_pair_survives() -> None:
    assert load(dump(load(b'{"a": "\\ud800"}', PATH).value).encode(), PATH).value == {"a": "\ud800"}
