# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is read from certificates: real ones, and files that are none."""

from __future__ import annotations

import datetime
import ipaddress

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.gpulab.workstation.plugins.plugin_utils._lab_registry import certificates
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

KEY = ec.generate_private_key(ec.SECP256R1())
KEY_ID = x509.SubjectKeyIdentifier.from_public_key(KEY.public_key()).digest.hex()
END = datetime.datetime(2034, 1, 1, 12, 0, tzinfo=datetime.UTC)


def pem(*extensions: x509.ExtensionType) -> str:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "lab")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(KEY.public_key())
    builder = builder.serial_number(1).not_valid_before(END - datetime.timedelta(9)).not_valid_after(END)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def test_a_certificate() -> None:
    found = certificates.read(
        pem(
            x509.SubjectAlternativeName(
                [x509.DNSName("registry.lab"), x509.IPAddress(ipaddress.ip_address("2001:db8::1"))]
            ),
            x509.AuthorityKeyIdentifier.from_issuer_public_key(KEY.public_key()),
        )
    )
    names = frozenset(["DNS:registry.lab", "IP:2001:db8::1"])
    # Without an identifier of its own, the key has the one by which community.crypto calls it.
    assert found == certificates.Certificate(END.timestamp(), "20340101", names, KEY_ID, KEY_ID)


def test_an_authority() -> None:
    found = certificates.read(pem(x509.SubjectKeyIdentifier(b"\xab\xcd")))
    assert found == certificates.Certificate(END.timestamp(), "20340101", frozenset(), "abcd", "")


def test_the_first_of_a_chain_counts() -> None:
    chain = pem(x509.SubjectKeyIdentifier(b"\x01")) + "\n" + pem(x509.SubjectKeyIdentifier(b"\x02"))
    found = certificates.read(chain)
    assert found
    assert found.subject_key == "01"


@pytest.mark.parametrize("text", ["", "\n", "no certificate", pem()[:200], pem().replace("A", "!"), "\udcff"])
def test_a_file_that_is_none(text: str) -> None:
    assert certificates.read(text) is None


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("registry", "DNS:registry"),
        ("192.0.2.1", "IP:192.0.2.1"),
        ("2001:DB8:0::1", "IP:2001:db8::1"),
        ("192.0.2", "DNS:192.0.2"),
    ],
)
def test_names(given: str, name: str) -> None:
    assert certificates.name(given) == name


def test_controller_without_cryptography_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificates, "HAS_CRYPTOGRAPHY", False)
    with pytest.raises(AnsibleFilterError, match="has no package cryptography"):
        certificates.read("")
