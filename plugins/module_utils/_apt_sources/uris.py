# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether two URIs name the same repository."""

from __future__ import annotations

from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443, "ftp": 21}


def same_repository(uri: str, other: str) -> bool:
    """Compare as a person would: a trailing slash, the case of the host, http or https make no other repository.

    apt itself compares more strictly, so two such entries do not always conflict; but the second is never wanted.
    """
    return _key(uri) == _key(other)


def _key(uri: str) -> tuple[str, str]:
    parts = urlsplit(uri)
    path = "/" + "/".join(piece for piece in parts.path.split("/") if piece)
    if parts.scheme not in _DEFAULT_PORTS:
        return parts.scheme + "://" + parts.netloc, path
    try:
        port = parts.port
    except ValueError:
        return parts.netloc, path
    host = (parts.hostname or "").lower()
    return host if port in (None, _DEFAULT_PORTS[parts.scheme]) else f"{host}:{port}", path
