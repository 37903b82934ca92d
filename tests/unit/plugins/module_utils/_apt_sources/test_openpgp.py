# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64

import pytest
from ansible_collections.gpulab.workstation.plugins.module_utils._apt_sources import openpgp, source
from ansible_collections.gpulab.workstation.tests.unit.plugins.module_utils._apt_sources import keys
from hypothesis import given
from hypothesis import strategies as st

ONE, TWO = keys.ONE.encode(), keys.TWO.encode()


def armored(content: bytes) -> bytes:
    return b"\n".join([openpgp.BEGIN, b"", base64.b64encode(content), openpgp.END, b""])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (keys.ONE, [keys.ONE_FINGERPRINT]),
        (keys.RSA, [keys.RSA_FINGERPRINT]),
        (keys.ALL, [keys.ONE_FINGERPRINT, keys.TWO_FINGERPRINT, keys.RSA_FINGERPRINT]),
        (keys.ONE + keys.TWO, [keys.ONE_FINGERPRINT, keys.TWO_FINGERPRINT]),
        (
            "Of the lab\n\n" + keys.TWO.replace("BLOCK-----\n\n", "BLOCK-----\nVersion: 1\nComment: x\n\n"),
            [keys.TWO_FINGERPRINT],
        ),
        (keys.TWO.replace("\n", "\r\n"), [keys.TWO_FINGERPRINT]),
        (keys.SIX, [keys.SIX_FINGERPRINT]),
    ],
)
def test_fingerprints_are_those_that_others_show(text: str, expected: list[str]) -> None:
    assert openpgp.fingerprints(text.encode()) == expected


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"not even a key", "it begins with 'not even a key'"),
        (b" \n", "it is empty"),
        (b"\x99\x02\x0d\x04X", "it is a binary keyring"),
        (ONE.partition(b"=")[0], "its end is missing"),
        (ONE.replace(openpgp.BEGIN, openpgp.BEGIN + b"\n\n!"), "no base64"),
        (openpgp.BEGIN + b"\n\n" + openpgp.END, "no base64, or was cut"),
        (armored(base64.b64decode("mQINBFit2ioBEADhWpZ8")), "it was cut"),
        (armored(b"hello"), "not made of OpenPGP packets"),
        (armored(b"\xcd\x01a"), "it has no key"),
        (armored(b"\xc6\x01\x03"), "it has a key of version 3"),
        (armored(b"\xc6\x00"), "it has a key of version 0"),
        (armored(b"\xc6\xe0\x04"), "a packet without a length"),
        (armored(b"\x9b\x04"), "a packet without a length"),
        (armored(b"\xc5\x01\x04"), "it has an OpenPGP packet of type 5"),
        (ONE + b"-----BEGIN PGP MESSAGE-----\n", "a line '-----BEGIN PGP MESSAGE-----'"),
        (b"-----BEGIN PGP SIGNED MESSAGE-----\n" + ONE, "a line '-----BEGIN PGP SIGNED MESSAGE-----'"),
        (ONE.replace(b"\n\n", b"\n" + openpgp.BEGIN + b"\n\n", 1), "a line '-----BEGIN PGP PUBLIC KEY BLOCK-----'"),
    ],
)
def test_what_is_no_key_says_why(content: bytes, words: str) -> None:
    with pytest.raises(openpgp.NoKeyError) as caught:
        openpgp.fingerprints(content)
    assert words in str(caught.value)


@given(st.binary(max_size=80))
def test_packets_of_any_octets(content: bytes) -> None:
    """Each is a reason, because no key is that short."""
    with pytest.raises(openpgp.NoKeyError):
        openpgp.fingerprints(armored(content))


@given(st.integers(0, len(ONE) - 1), st.integers(0, 255))
def test_another_octet_never_passes_for_the_same_key_with_more(at: int, octet: int) -> None:
    changed = ONE[:at] + bytes([octet]) + ONE[at + 1 :]
    if source.problem_with_key(changed, [keys.ONE_FINGERPRINT]) is None:
        assert openpgp.fingerprints(changed) == [keys.ONE_FINGERPRINT]


def test_one_key_that_is_not_wanted_is_enough() -> None:
    """apt believes each key that is in the file."""
    assert source.problem_with_key(ONE, [keys.ONE_FINGERPRINT]) is None
    problem = source.problem_with_key(ONE + TWO, [keys.ONE_FINGERPRINT])
    assert problem == f"has the key {keys.TWO_FINGERPRINT}, and should have {keys.ONE_FINGERPRINT} only"
    assert source.problem_with_key(ONE + TWO, [keys.ONE_FINGERPRINT, keys.TWO_FINGERPRINT]) is None


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", []),
        ("9DC8 5822 9FC7 DD38 854A  E2D8 8D81 803C 0EBF CD88", ["9DC858229FC7DD38854AE2D88D81803C0EBFCD88"]),
        (f"0x{keys.ONE_FINGERPRINT.lower()}, {keys.SIX_FINGERPRINT}", [keys.ONE_FINGERPRINT, keys.SIX_FINGERPRINT]),
    ],
)
def test_fingerprints_as_people_write_them(text: str, wanted: list[str]) -> None:
    assert openpgp.read_wanted(text) == (wanted, "")


def test_a_short_fingerprint_is_none() -> None:
    assert openpgp.read_wanted("0EBFCD88") == ([], "0EBFCD88 is no fingerprint, which has 40 or 64 hexadecimal digits")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://mirror.lab.example/gpg", True),
        ("ftp://mirror.lab.example/gpg", True),
        ("http://127.0.0.1.example/gpg", True),
        ("https://mirror.lab.example/gpg", False),
        ("file:///srv/gpg", False),
        ("http://127.0.0.1:8099/gpg", False),
        ("http://[::1]/gpg", False),
    ],
)
def test_ways_on_which_a_key_may_be_replaced(url: str, expected: bool) -> None:
    assert source.may_be_replaced(url) == expected
