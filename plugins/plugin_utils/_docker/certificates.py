# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificate authorities for the host's trust store: which file each becomes."""

from __future__ import annotations

import hashlib
import os
import typing as t

from ansible_collections.gpulab.workstation.plugins.plugin_utils._docker.seen import Look

DIRECTORY = "/usr/local/share/ca-certificates"
# update-ca-certificates links each certificate here.
_LINKS = "/etc/ssl/certs"
_DIGITS = 12


class Authority(t.NamedTuple):
    source: str
    sha256: str
    # By the file's own name, as earlier versions of the role wrote it, or an administrator may have.
    plain: str
    # By its content, so that two files of one name do not replace each other.
    hashed: str


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def authorities(certificates: t.Mapping[str, str | None], sources: t.Iterable[str]) -> list[Authority]:
    """One for each certificate: a copy under another name is the same."""
    found: dict[str, Authority] = {}
    for source in sources:
        text = certificates.get(source)
        if text is None:
            continue
        sha256 = digest(text)
        stem = os.path.splitext(os.path.basename(source))[0]
        names = (f"{DIRECTORY}/{stem}.crt", f"{DIRECTORY}/{stem}-{sha256[:_DIGITS]}.crt")
        found.setdefault(sha256, Authority(source, sha256, *names))
    return list(found.values())


def look_for(wanted: t.Sequence[Authority]) -> list[str]:
    files = [path for one in wanted for path in (one.plain, one.hashed)]
    return list(dict.fromkeys([*files, *map(link, files)]))


def link(path: str) -> str:
    return f"{_LINKS}/{os.path.splitext(os.path.basename(path))[0]}.pem"


def place(authority: Authority, look: Look) -> str:
    """Where the certificate is already, else a place that is nobody's."""
    there = look.file(authority.plain).sha256 == authority.sha256
    return authority.plain if there else authority.hashed


def missing(
    certificates: t.Mapping[str, str | None], sources: t.Mapping[str, t.Iterable[str]], search_path: str
) -> list[str]:
    """A sentence for each file that a variable names and the controller does not have."""
    said = []
    for variable, paths in sources.items():
        for path in paths:
            if certificates.get(path) is None:
                sentence = f"{variable} names {path}, and this controller has no such file, or may not read it."
                if not os.path.isabs(os.path.expanduser(path)):
                    sentence += f" It was looked for beside the playbook, in {search_path} and its `files`;"
                    sentence += " write the whole path."
                said.append(sentence)
    return said
