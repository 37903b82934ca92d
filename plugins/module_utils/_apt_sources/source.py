# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The deb822 source file that this collection writes, and what can be told from one that it wrote before."""

from __future__ import annotations

import hashlib
import re
import typing as t

_ORIGIN = re.compile(r"^# Key: (.*)$", re.MULTILINE)
_ARMOR = b"-----BEGIN PGP PUBLIC KEY BLOCK-----"


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


def problem_with_key(key: bytes) -> str | None:
    """Why apt could not use these bytes as an .asc keyring; None when it can."""
    if _ARMOR in key:
        return None
    if not key.strip():
        return "it is empty"
    if key[:1] in (b"\x98", b"\x99", b"\xc6"):
        return "it is a binary keyring; convert it with `gpg --enarmor` and offer the armored one"
    return "it begins with " + repr(key[:40].decode("ascii", "replace"))
