# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The certificate and private key of an instance that speaks TLS: those that it was given, or a generated pair.

The server reads copies that belong to the instance's user, because keys such as certbot's are root's.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
import shutil
import socket
import ssl
import tempfile
import time
import typing as t
from pathlib import Path

from .._untrusted import child, files
from .._untrusted.shape import decoded
from .errors import OperatorError
from .files import replace_file
from .journal import say
from .server import fingerprint_of
from .settings import ANYWHERE, Account, Settings, url_of

# Apple's browsers refuse what is valid for longer.
VALID_DAYS = 825
RENEW_DAYS = 30
# Bytes of a certificate with those of its issuers, or of a key, at most; seconds for a command.
PEM = 2**18
COMMAND = 60.0
BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.S)
# It signs nothing: whoever steals its key can be this notebook, and no other site.
REQUEST = """\
[req]
prompt = no
distinguished_name = subject
x509_extensions = extensions
[subject]
commonName = {common_name}
[extensions]
subjectAltName = {names}
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
"""


class Certificate(t.NamedTuple):
    fingerprint: str
    ends: float
    names: list[str]

    @property
    def end_date(self) -> str:
        return time.strftime("%Y-%m-%d", time.gmtime(self.ends))

    @property
    def ends_soon(self) -> bool:
        return self.ends < time.time() + RENEW_DAYS * 86400

    @property
    def end_in_words(self) -> str:
        return f"{'ended' if self.ends < time.time() else 'ends'} on {self.end_date}"


def parse_openssl(text: str) -> tuple[float, list[str]]:
    """`openssl x509 -enddate -ext subjectAltName`: notAfter, and names as `DNS:host, IP Address:FE80:0:0:...`."""
    end = re.search(r"^notAfter=(.+)$", text, re.M)
    if end is None:
        raise ValueError("no notAfter")
    names = []
    for kind, name in re.findall(r"\b(DNS|IP Address):([^,\s]+)", text):
        names.append(name if kind == "DNS" else str(ipaddress.ip_address(name)))
    return ssl.cert_time_to_seconds(end.group(1)), names


def read_certificate(path: Path) -> Certificate:
    """The first of a file, which is the server's own; those of its issuers follow."""
    raw = read_pem(path)
    block = BLOCK.search(raw.decode("utf-8", "replace"))
    if block is None:
        raise OperatorError(f"{path} holds no certificate in PEM form")
    try:
        with files.nameless(raw) as file:
            shown = openssl("x509", "-noout", "-enddate", "-ext", "subjectAltName", stdin=file)
        return Certificate(fingerprint_of(ssl.PEM_cert_to_DER_cert(block.group())), *parse_openssl(shown))
    except (OperatorError, ValueError) as error:
        raise OperatorError(f"{path} holds no certificate that can be read: {error}") from error


def read_pem(path: Path) -> bytes:
    """By links, too, as certbot makes them. The copies that a server reads belong to its user."""
    try:
        return files.look(path, PEM, follow=True).raw
    except OSError as error:
        raise OperatorError(f"{path} cannot be read: {error.strerror}") from error


def check_pair(certificate: Path, private_key: Path) -> Certificate:
    found = read_certificate(certificate)

    def refuse_to_ask() -> str:
        raise OperatorError(
            f"the private key {private_key} is encrypted, and a service has nobody to ask for a password"
        )

    pair = read_pem(certificate), read_pem(private_key)
    try:
        with files.nameless(pair[0]) as chain, files.nameless(pair[1]) as key:
            paths = [f"/proc/self/fd/{file.fileno()}" for file in (chain, key)]
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(paths[0], paths[1], refuse_to_ask)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise OperatorError(
                f"the private key {private_key} does not belong to the certificate {certificate}"
            ) from error
        raise OperatorError(f"{certificate} with {private_key} cannot be used: {error.reason or error}") from error
    return found


def prepare_certificate(settings: Settings, account: Account) -> None:
    own = settings.certificate_file, settings.private_key_file
    if settings.tls == "files":
        given = Path(settings.tls_certificate), Path(settings.tls_private_key)
        try:
            check_pair(*given)
        except OperatorError as error:
            # A renewal that went wrong does not take a notebook down.
            if not own[0].exists():
                raise OperatorError(f"{error}. Name others as `tls_certificate` and `tls_private_key`.") from error
            say(f"{error}. Going on with the certificate of the last start.")
            given = own
        install(settings, account, *given)
    elif settings.tls == "generated":
        # A key of another account is known to somebody who had the instance before.
        if not why_outdated(settings) and owner_of(own[1]) in (0, account.uid):
            install(settings, account, *own)
            return
        with tempfile.TemporaryDirectory(dir=own[0].parent) as directory:
            install(settings, account, *generate(settings, Path(directory)))


def owner_of(path: Path) -> int:
    try:
        return files.look(path, PEM).owner
    except OSError as error:
        raise OperatorError(f"{path} cannot be read: {error.strerror}") from error


def install(settings: Settings, account: Account, certificate: Path, private_key: Path) -> None:
    check_pair(certificate, private_key)
    pair = [read_pem(path).decode("utf-8", "replace") for path in (certificate, private_key)]
    replace_file(settings.private_key_file, pair[1], 0o400, account)
    replace_file(settings.certificate_file, pair[0], 0o444)


def generate(settings: Settings, directory: Path) -> tuple[Path, Path]:
    request, certificate, private_key = directory / "request", directory / "certificate", directory / "private_key"
    names = names_for(settings)
    request.write_text(
        REQUEST.format(common_name=socket.gethostname()[:64], names=",".join(map(as_alternative_name, names))),
        encoding="utf-8",
    )
    openssl(
        *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-sha256"),
        *("-days", str(VALID_DAYS), "-config", str(request), "-keyout", str(private_key), "-out", str(certificate)),
    )
    say(f"Made a certificate for {', '.join(names)}.")
    return certificate, private_key


def as_alternative_name(name: str) -> str:
    with contextlib.suppress(ValueError):
        return f"IP:{ipaddress.ip_address(name)}"
    return f"DNS:{name}"


def names_for(settings: Settings) -> list[str]:
    """Under which somebody may reach the instance. A name that users know comes first."""
    names = [full_name(), socket.gethostname()]
    if settings.bind_address in ANYWHERE:
        # Loopback, for those who come through a tunnel.
        names += [*addresses(), "localhost", "127.0.0.1", "::1"]
    else:
        names.append(str(ipaddress.ip_address(settings.bind_address)))
    return list(dict.fromkeys(names))


def full_name() -> str:
    """Of this machine."""
    name = socket.getfqdn()
    return socket.gethostname() if name.startswith("localhost") else name


def addresses() -> list[str]:
    try:
        shown = child.run(["ip", "-json", "address", "show", "up", "scope", "global"], COMMAND)
        return parse_addresses(decoded(shown.stdout))
    except (OSError, ValueError):
        # The names do without.
        return []


def parse_addresses(devices: list[dict[str, t.Any]]) -> list[str]:
    """Those of the machine: nobody else reaches the bridges of containers. Temporary ones are gone tomorrow.

    What ip was told to leave out, it shows as empty objects.
    """
    return [
        address["local"]
        for device in devices
        if not re.match(r"docker|br-|veth", device.get("ifname", ""))
        for address in device.get("addr_info", [])
        if "local" in address and not address.get("temporary")
    ]


def why_outdated(settings: Settings) -> str:
    """With what an instance runs where its next start would take, or make, another certificate."""
    try:
        if settings.tls == "files":
            # What cannot be used is not taken either.
            check_pair(Path(settings.tls_certificate), Path(settings.tls_private_key))
            now, then = (read_pem(path) for path in (Path(settings.tls_certificate), settings.certificate_file))
            return "" if now == then else "an older certificate"
        if settings.tls == "generated":
            found = check_pair(settings.certificate_file, settings.private_key_file)
            if found.ends_soon:
                restart = f"site.yml, or `systemctl restart {settings.unit}`, makes another"
                return f"a certificate that {found.end_in_words} ({restart})"
            needed = [socket.gethostname()]
            if settings.bind_address not in ANYWHERE:
                needed.append(str(ipaddress.ip_address(settings.bind_address)))
            missing = [name for name in needed if name not in found.names]
            return f"a certificate without {' and '.join(missing)}" if missing else ""
    except (OperatorError, OSError):
        return "" if settings.tls == "files" and settings.certificate_file.exists() else "no certificate"
    return ""


def renewal_problem(settings: Settings) -> str:
    """Of a certificate that the operator renews, in its last days. A generated one is outdated then (above)."""
    if settings.tls != "files":
        return ""
    for path in Path(settings.tls_certificate), settings.certificate_file:
        with contextlib.suppress(OperatorError):
            found = read_certificate(path)
            if not found.ends_soon:
                return ""
            return (
                f"The certificate {path} of instance {settings.name} {found.end_in_words}: renew it in "
                f"{settings.tls_certificate}; the next run of site.yml, or a restart, has it used."
            )
    return ""


def public_url(settings: Settings, scheme: str, address: str, port: int) -> str:
    """Where people reach what is published there: by a name that its certificate has, where it has one."""
    host = address
    if address in ANYWHERE or (settings.tls == "files" and not settings.is_local):
        names: list[str] = []
        if scheme == "https":
            with contextlib.suppress(OperatorError):
                names = read_certificate(settings.certificate_file).names
        names = [name for name in names if as_alternative_name(name).startswith("DNS:") and "*" not in name]
        if names:
            host = names[0]
        elif address in ANYWHERE:
            host = full_name()
    return url_of(scheme, host, port)


def certificate_problems(settings: Settings) -> list[str]:
    if settings.tls == "none":
        return []
    if shutil.which("openssl") is None:
        return ["TLS needs the command openssl, which this machine does not have: install the package openssl"]
    if settings.tls == "generated":
        return []
    for key in ("tls_certificate", "tls_private_key"):
        path = getattr(settings, key)
        if not path.startswith("/"):
            return [f"its `tls` is files, and its `{key}` {path or '(empty)'} is no absolute path of this machine"]
    try:
        found = check_pair(Path(settings.tls_certificate), Path(settings.tls_private_key))
    except OperatorError as error:
        return [f"{error}; correct its `tls_certificate` or `tls_private_key`"]
    if found.ends < time.time():
        return [f"its `tls_certificate` {settings.tls_certificate} ended on {found.end_date}; renew it"]
    return []


def openssl(*arguments: str, stdin: int | t.IO[t.Any] = child.NOTHING) -> str:
    try:
        done = child.run(["openssl", *arguments], COMMAND, stdin=stdin)
    except OSError as error:
        raise OperatorError(
            f"The command openssl cannot be run ({error.strerror}): install the package openssl."
        ) from error
    if done.code != 0:
        raise OperatorError(f"openssl {arguments[0]} failed: {' '.join(done.err.split())}")
    return done.out
