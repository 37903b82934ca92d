# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a person needs to reach their notebook, in a file of theirs. The token does not leave the machine."""

from __future__ import annotations

import functools
import os
import stat
import typing as t
from pathlib import Path

from .certificate import read_certificate
from .errors import OperatorError
from .files import replace_file, run_as
from .settings import Account, Settings, find_account, host_and_port, load_settings


def url_file(settings: Settings, account: Account) -> Path:
    return Path(account.home) / f"notebook-{settings.name}.txt"


def tunnel_command(settings: Settings, user: str, public_name: str, ssh_port: int) -> str:
    """For a person to copy: to the port on loopback, over whichever port SSH has there."""
    port = "" if ssh_port == 22 else f"-p {ssh_port} "
    far_end = host_and_port(settings.bind_address, settings.port)
    return f"ssh {port}-N -L {settings.port}:{far_end} {user}@{public_name}"


def text(settings: Settings, account: Account, token: str, public_name: str, ssh_port: int) -> str:
    scheme = "http" if settings.tls == "none" else "https"
    lines = [
        f"Your Jupyter notebook {settings.name} on {public_name}. Whoever reads this can use it.",
        "",
    ]
    if settings.is_local:
        lines += [
            "On your own computer, leave this running:",
            f"    {tunnel_command(settings, account.name, public_name, ssh_port)}",
            "and open:",
            f"    {scheme}://127.0.0.1:{settings.port}/lab?token={token}",
        ]
    else:
        lines += ["Open:", f"    {scheme}://{host_and_port(public_name, settings.port)}/lab?token={token}"]
    if settings.tls == "generated":
        lines += [
            "The browser asks about the certificate once. Its SHA-256 fingerprint must be:",
            f"    {read_certificate(settings.certificate_file).fingerprint}",
        ]
    return "\n".join(lines) + "\n"


def write(path: Path, content: str) -> None:
    """As the user: a link in their home leads no further than they themselves get."""
    replace_file(path, content, 0o400)


def is_current(path: Path, content: str, account: Account) -> bool:
    """Read by root, who follows no link here."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    with os.fdopen(descriptor, "rb") as file:
        seen = os.fstat(descriptor)
        # One byte more than it may have: it is the user's, and may be anything.
        return (
            stat.S_ISREG(seen.st_mode)
            and (stat.S_IMODE(seen.st_mode), seen.st_uid) == (0o400, account.uid)
            and file.read(len(content.encode()) + 1) == content.encode()
        )


def hand_over(name: str, public_name: str, check_mode: bool, ssh_port: int = 22) -> dict[str, t.Any]:
    settings = load_settings(name)
    account = find_account(settings.user)
    path = url_file(settings, account)
    try:
        token = settings.token_file.read_text(encoding="utf-8").strip()
        content = text(settings, account, token, public_name, ssh_port)
    except OSError as error:
        raise OperatorError(
            f"Instance {name} has no {error.filename} yet: its unit makes it when it starts. Run site.yml first."
        ) from error
    changed = not is_current(path, content, account)
    if changed and not check_mode:
        try:
            run_as(account, functools.partial(write, path, content))
        except (OperatorError, OSError) as error:
            raise OperatorError(f"{account.name} cannot write {path}: {error}.") from error
    return {"name": name, "user": account.name, "path": str(path), "changed": changed}
