# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""As much of OpenPGP (RFC 9580) as tells whose keys a file has: their fingerprints, and no signatures.

A fingerprint is a hash over the whole public key, so whoever compares it need not trust the way that the key came. It
says nothing of its user IDs and subkeys, which apt believes only where the key itself has signed them.
"""

from __future__ import annotations

import base64
import hashlib
import re
import typing as t

BEGIN, END = b"-----BEGIN PGP PUBLIC KEY BLOCK-----", b"-----END PGP PUBLIC KEY BLOCK-----"
_BINARY = (b"\x98", b"\x99", b"\xc6")
_CHECKSUM = re.compile(rb"=[A-Za-z0-9+/]{4}")
_BASE64 = re.compile(rb"[A-Za-z0-9+/]+={0,2}")
# Of an armored block, as GnuPG and others write them. RFC 9580, 6.2.2.
_HEADER = re.compile(rb"[A-Za-z]+: .*")
_PUBLIC_KEY = 6
# What belongs to public keys: signature, marker, trust, user ID, subkey, user attribute, padding.
_BESIDE = {2, 10, 12, 13, 14, 17, 21}


class NoKeyError(ValueError):
    """These bytes are no public keys; the message says why, without its end."""


def fingerprints(armored: bytes) -> list[str]:
    """Of every key in the file that is not a part of another, in capitals. There is one at least."""
    found = [fingerprint(body) for block in _blocks(armored) for body in _keys(block)]
    if not found:
        raise NoKeyError("it has no key")
    return found


def fingerprint(body: bytes) -> str:
    """RFC 9580, 5.5.4: a hash over the version's own octet, the length and the packet."""
    version = body[0] if body else 0
    if version == 4:
        return hashlib.sha1(b"\x99" + len(body).to_bytes(2, "big") + body).hexdigest().upper()  # noqa: S324
    if version == 6:
        return hashlib.sha256(b"\x9b" + len(body).to_bytes(4, "big") + body).hexdigest().upper()
    raise NoKeyError(f"it has a key of version {version}, and apt takes those of versions 4 and 6")


def _blocks(armored: bytes) -> list[bytes]:
    """The content of each armored block. What is strange is refused: apt's own reader might see another key in it."""
    blocks: list[bytes] = []
    lines: list[bytes] | None = None
    in_headers = False
    for raw in armored.splitlines():
        line = raw.strip()
        if line == BEGIN and lines is None:
            lines, in_headers = [], True
        elif line == END and lines is not None:
            blocks.append(_decoded(lines))
            lines = None
        elif line.startswith(b"-----"):
            raise NoKeyError(f"it has a line {_shown(line)}, which no file of public keys has there")
        elif lines is None or not line:
            # Whatever stands before and after a block is a comment. An empty line ends its headers.
            in_headers = in_headers and bool(line)
        elif not (in_headers and _HEADER.fullmatch(line)):
            in_headers = False
            lines.append(line)
    if lines is not None:
        raise NoKeyError("its end is missing")
    if not blocks:
        raise NoKeyError(_what_else(armored))
    return blocks


def _what_else(content: bytes) -> str:
    if not content.strip():
        return "it is empty"
    if content[:1] in _BINARY:
        return "it is a binary keyring; convert it with `gpg --enarmor` and offer the armored one"
    return f"it begins with {_shown(content)}"


def _shown(content: bytes) -> str:
    return repr(content[:40].decode("ascii", "replace"))


def _decoded(lines: list[bytes]) -> bytes:
    if lines and _CHECKSUM.fullmatch(lines[-1]):
        lines = lines[:-1]
    joined = b"".join(lines)
    if not _BASE64.fullmatch(joined) or len(joined) % 4:
        raise NoKeyError("what is between its first and last line is no base64, or was cut")
    return base64.b64decode(joined)


def _keys(block: bytes) -> t.Iterator[bytes]:
    for tag, body in _packets(block):
        if tag == _PUBLIC_KEY:
            yield body
        elif tag not in _BESIDE:
            raise NoKeyError(f"it has an OpenPGP packet of type {tag}, which does not belong to public keys")


def _packets(block: bytes) -> t.Iterator[tuple[int, bytes]]:
    """Type and content of each packet. RFC 9580, 4.2, has both forms of their headers."""
    at = 0
    while at < len(block):
        first = block[at]
        if not first & 0x80:
            raise NoKeyError("it is not made of OpenPGP packets")
        at += 1
        if first & 0x40:
            tag, (length, width) = first & 0x3F, _new_length(block[at : at + 5])
        else:
            tag, width = first >> 2 & 0x0F, {0: 1, 1: 2, 2: 4}.get(first & 3, 0)
            length = int.from_bytes(block[at : at + width], "big")
        at += width
        if not width or at + length > len(block):
            raise NoKeyError("it was cut, or has a packet without a length")
        yield tag, block[at : at + length]
        at += length


def _new_length(octets: bytes) -> tuple[int, int]:
    """The length, and how many octets say it; none where it is not known before the end."""
    first = octets[0] if octets else 224
    if first < 192:
        return first, 1
    if first < 224 and len(octets) > 1:
        return (first - 192 << 8) + octets[1] + 192, 2
    if first == 255 and len(octets) == 5:
        return int.from_bytes(octets[1:], "big"), 5
    return 0, 0


def read_wanted(text: str) -> tuple[list[str], str]:
    """Fingerprints as people write them, several with commas between them; and what is wrong with them."""
    wanted = [re.sub(r"\s|^0x", "", one.strip()).upper() for one in text.split(",") if one.strip()]
    odd = [one for one in wanted if not re.fullmatch(r"[0-9A-F]{40}|[0-9A-F]{64}", one)]
    if odd:
        return [], f"{', '.join(odd)[:200]} is no fingerprint, which has 40 or 64 hexadecimal digits"
    return wanted, ""
