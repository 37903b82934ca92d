# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secure Boot: whether the key that signs the module is one that the firmware takes, and how to bring it there."""

from __future__ import annotations

import re
import typing as t

_DEBIAN = ("/var/lib/dkms/mok.key", "/var/lib/dkms/mok.pub")
# dkms uses the key of update-secureboot-policy where that can make one, which only Ubuntu's can.
_UBUNTU = ("/var/lib/shim-signed/mok/MOK.priv", "/var/lib/shim-signed/mok/MOK.der")
_SETTING = re.compile(r"^\s*(mok_signing_key|mok_certificate)=[\"']?([^\"'\s#]+)", re.MULTILINE)


class Key(t.NamedTuple):
    private: str
    certificate: str
    configured: bool  # somebody chose it in /etc/dkms/framework.conf


def key(distribution: str, framework: str) -> Key:
    """The key that dkms signs with. framework: /etc/dkms/framework.conf and what is in framework.conf.d."""
    private, certificate = _UBUNTU if distribution == "ubuntu" else _DEBIAN
    chosen = dict(_SETTING.findall(framework))
    return Key(chosen.get("mok_signing_key", private), chosen.get("mok_certificate", certificate), bool(chosen))


def is_enrolled(answer: str) -> bool | None:
    """What `mokutil --test-key` says, whose exit code says the opposite of what one expects."""
    if "already enrolled" in answer:
        return True
    return False if "not enrolled" in answer or "already in the enrollment request" in answer else None


def is_requested(answer: str) -> bool:
    return "already in the enrollment request" in answer


def steps(distribution: str, version: str, used: Key, missing: t.Collection[str], requested: bool) -> list[str]:
    """What a person does, in order. missing: of mokutil, dkms and the certificate, what is not there."""
    done = []
    programs = [name for name in ("dkms", "mokutil") if name in missing]
    if not requested:
        if programs:
            done.append(f"apt install {' '.join(programs)}")
        if "certificate" in missing:
            done.append(_making(distribution, version, used))
        done.append(
            f"mokutil --import {used.certificate}    # it asks twice for a password, which is needed once, below"
        )
    done += [
        "systemctl reboot    # at the machine's own screen and keyboard, or those of its management controller",
        "In the blue screen `Perform MOK management` (it waits 10 s): Enroll MOK, Continue, Yes, password, Reboot",
        f"mokutil --test-key {used.certificate}    # must say `is already enrolled`; then run this playbook again",
    ]
    return done


def _making(distribution: str, version: str, used: Key) -> str:
    if distribution == "ubuntu" and not used.configured:
        return "update-secureboot-policy --new-key"
    # `dkms generate_mok` came with dkms 3.1; before that, dkms makes its key at the first build, with this command.
    if distribution == "debian" and version.isdigit() and int(version) >= 13:
        return "dkms generate_mok"
    return (
        'openssl req -new -x509 -nodes -days 36500 -subj "/CN=DKMS module signing key/" -newkey rsa:2048 '
        f"-keyout {used.private} -outform DER -out {used.certificate}"
    )
