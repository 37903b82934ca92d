# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Installed packages, from the answer of dpkg-query."""

from __future__ import annotations

import typing as t

SHOW_FORMAT = r"${Package}\t${Architecture}\t${Version}\t${db:Status-Want}\t${db:Status-Status}\n"
# config-files and not-installed are not: no program of the package is left.
_NOT_INSTALLED = ("not-installed", "config-files")


def parse(text: str) -> dict[str, dict[str, t.Any]]:
    """The packages that are installed, also those whose installation was broken off."""
    found: dict[str, dict[str, t.Any]] = {}
    for line in text.splitlines():
        fields = line.split("\t")
        if len(fields) != 5 or fields[4] in _NOT_INSTALLED:
            continue
        name, architecture, version, want, _status = fields
        found[name] = {"version": version, "architecture": architecture, "held": want == "hold"}
    return found
