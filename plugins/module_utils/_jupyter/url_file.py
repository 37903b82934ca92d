# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a person needs to reach their notebook, in a file of theirs. The token does not leave the machine."""

from __future__ import annotations

import functools
import typing as t
from pathlib import Path

from .._untrusted import files
from .certificate import read_certificate
from .errors import OperatorError
from .files import read_token, replace_file, run_as
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
    """As the user, too: whatever is in its place, it is theirs."""
    try:
        seen = files.look(path, len(content.encode()))
    except OSError:
        return False
    return seen == (content.encode(), account.uid, 0o400)


def hand_over(name: str, public_name: str, check_mode: bool, ssh_port: int = 22) -> dict[str, t.Any]:
    settings = load_settings(name)
    account = find_account(settings.user)
    path = url_file(settings, account)
    try:
        content = text(settings, account, read_token(settings), public_name, ssh_port)
    except FileNotFoundError as error:
        raise OperatorError(
            f"Instance {name} has no {error.filename} yet: its unit makes it when it starts. Run site.yml first."
        ) from error
    except OSError as error:
        raise OperatorError(
            f"{error.filename} of instance {name} cannot be used: {error.strerror}. playbooks/new_token.yml makes "
            f"another."
        ) from error
    try:
        changed = not run_as(account, functools.partial(is_current, path, content, account))
        if changed and not check_mode:
            run_as(account, functools.partial(write, path, content))
    except (OperatorError, OSError) as error:
        raise OperatorError(f"{account.name} cannot write {path}: {error}.") from error
    return {"name": name, "user": account.name, "path": str(path), "changed": changed}
