# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What decisions need of a certificate."""

from __future__ import annotations

import ipaddress
import typing as t
from dataclasses import dataclass
from datetime import timezone

from ansible.errors import AnsibleFilterError

try:
    from cryptography import x509
except ImportError:
    HAS_CRYPTOGRAPHY = False
else:
    HAS_CRYPTOGRAPHY = True


@dataclass(frozen=True)
class Certificate:
    # Seconds since 1970.
    not_after: float
    # The day of that, as YYYYMMDD.
    last_day: str
    # As `DNS:registry` and `IP:192.0.2.1`.
    names: frozenset[str]
    # Which key it has, and which key signed it; empty where it does not say.
    subject_key: str
    authority_key: str


def read(text: str) -> Certificate | None:
    """The first certificate of a PEM file; None where there is none that can be read."""
    if not HAS_CRYPTOGRAPHY:
        raise AnsibleFilterError(
            "The lab registry's certificates cannot be read: the Python that runs Ansible on the controller has no "
            "package cryptography, which community.crypto needs, too. Install it there, or use what `make venv` makes."
        )
    try:
        found = x509.load_pem_x509_certificate(text.encode())
        extensions = found.extensions
        # Before cryptography 42, only the other one is there, without its time zone.
        end = getattr(found, "not_valid_after_utc", None) or found.not_valid_after.replace(tzinfo=timezone.utc)
    except ValueError:
        return None
    return Certificate(
        not_after=end.timestamp(),
        last_day=end.strftime("%Y%m%d"),
        names=frozenset(_names(extensions)),
        subject_key=_subject_key(found, extensions),
        authority_key=_authority_key(extensions),
    )


def name(text: str) -> str:
    """One that a certificate is to have. An address has many spellings, of which the certificate keeps none."""
    try:
        return f"IP:{ipaddress.ip_address(text)}"
    except ValueError:
        return f"DNS:{text}"


def _names(extensions: x509.Extensions) -> t.Iterator[str]:
    try:
        found = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return
    for one in found.get_values_for_type(x509.DNSName):
        yield f"DNS:{one}"
    for address in found.get_values_for_type(x509.IPAddress):
        yield f"IP:{address}"


def _subject_key(found: x509.Certificate, extensions: x509.Extensions) -> str:
    try:
        return extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest.hex()
    except x509.ExtensionNotFound:
        # What community.crypto writes into the certificates that such an authority signs.
        return x509.SubjectKeyIdentifier.from_public_key(found.public_key()).digest.hex()


def _authority_key(extensions: x509.Extensions) -> str:
    try:
        found = extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    except x509.ExtensionNotFound:
        return ""
    return found.hex() if found else ""
