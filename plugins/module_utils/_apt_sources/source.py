# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The deb822 source file that this collection writes, and what can be told from one that it wrote before."""

from __future__ import annotations

import hashlib
import re
import typing as t
import urllib.parse

from . import openpgp

_ORIGIN = re.compile(r"^# Key: (.*)$", re.MULTILINE)


class Source(t.NamedTuple):
    uri: str
    suites: t.Sequence[str]
    components: t.Sequence[str]
    architectures: t.Sequence[str]
    keyring: str
    key_origin: str


def render(source: Source) -> str:
    fields = [
        ("Types", "deb"),
        ("URIs", source.uri),
        ("Suites", " ".join(source.suites)),
        ("Components", " ".join(source.components)),
        ("Architectures", " ".join(source.architectures)),
        ("Signed-By", source.keyring),
    ]
    written = [f"{name}: {value}" for name, value in fields if value]
    # The origin tells the next run whether the key has to be fetched again.
    return "\n".join(
        ["# Written by Ansible (gpulab.workstation.apt_source).", f"# Key: {source.key_origin}", *written, ""]
    )


def key_origin_in(text: str) -> str | None:
    """Where the key came from, as a source file that render() wrote says; None for any other file."""
    match = _ORIGIN.search(text)
    return match.group(1) if match else None


def inline_origin(key: str) -> str:
    return "given as text, sha256 " + hashlib.sha256(key.encode()).hexdigest()


def problem_with_key(key: bytes, wanted: t.Sequence[str] = ()) -> str | None:
    """Why these bytes are no .asc keyring for apt, or not the one that is wanted; None where they are."""
    try:
        found = openpgp.fingerprints(key)
    except openpgp.NoKeyError as error:
        return f"is not an armored OpenPGP public key: {error}"
    # All of them: apt believes each key that is in the file.
    others = [one for one in found if one not in wanted]
    if wanted and others:
        return f"has the key {' and '.join(others)}, and should have {' or '.join(wanted)} only"
    return None


def may_be_replaced(url: str) -> bool:
    """Whether others on the way to this URL can put another key in the place of this one."""
    parts = urllib.parse.urlsplit(url)
    return parts.scheme not in ("https", "file") and parts.hostname not in ("127.0.0.1", "::1", "localhost")
