# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""nvidia-container-toolkit: its version, its configuration, and what a container image asks of the driver."""

from __future__ import annotations

import re

_VERSION = re.compile(r"CLI version (\d+(?:\.\d+)+\S*)", re.ASCII)
_SETTING = re.compile(r"""([\w-]+)\s*=\s*(true|false|"[^"]*"|'[^']*')\s*(?:#.*)?""", re.ASCII)
_CUDA = re.compile(r"cuda\s*(>=|<=|>|<|=)\s*(\d{1,4})(?:\.(\d{1,4}))?", re.ASCII)


def version(text: str) -> str | None:
    """`nvidia-ctk --version`."""
    found = _VERSION.search(text)
    return found[1] if found else None


def settings(text: str) -> dict[str, str]:
    """config.toml's booleans and strings, as `section.key`. Its other values are not needed here."""
    found: dict[str, str] = {}
    section = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            section = line.strip("[] ") + "."
        else:
            setting = _SETTING.fullmatch(line)
            if setting:
                found[section + setting[1]] = setting[2].strip("\"'")
    return found


def is_older(version_text: str | None, than: str) -> bool | None:
    """Whether a version is older; None where it is not known."""
    known = re.match(r"\d{1,6}(?:\.\d{1,6})*", version_text or "", re.ASCII)
    return _parts(known[0]) < _parts(than) if known else None


def required_cuda(requirement: str | None) -> str | None:
    """The lowest CUDA that an image accepts, from NVIDIA_REQUIRE_CUDA: alternatives by spaces, conditions by commas.

    cuda>=12.8 brand=tesla,driver>=535,driver<536 means: CUDA 12.8, or a data-centre card with a driver of branch 535.
    """
    lowest = [
        f"{found[2]}.{found[3] or 0}"
        for alternative in (requirement or "").split()
        for found in map(_CUDA.fullmatch, alternative.split(","))
        if found and found[1] in (">=", "=")
    ]
    return min(lowest, key=_parts, default=None)


def is_satisfied(requirement: str | None, cuda_version: str | None) -> bool | None:
    """None where it cannot be told: nothing is required, or alternatives by brand and driver could still hold."""
    lowest = required_cuda(requirement)
    if lowest is None or cuda_version is None or not re.fullmatch(r"\d{1,4}(\.\d{1,4})*", cuda_version, re.ASCII):
        return None
    if _parts(cuda_version) >= _parts(lowest):
        return True
    others = [one for one in (requirement or "").split() if not _CUDA.match(one)]
    return None if others else False


def _parts(version_text: str) -> list[int]:
    return [int(part) for part in version_text.split(".")]
