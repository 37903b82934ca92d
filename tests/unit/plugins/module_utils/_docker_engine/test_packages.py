# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.gpulab.workstation.plugins.module_utils._docker_engine import packages

# Packages that are installed, held, removed but not purged, only known, and broken off during installation.
ANSWER = (
    "dpkg\tamd64\t1.22.21\tinstall\tinstalled\n"
    "docker.io\tamd64\t26.1.5+dfsg1-9+b11\thold\tinstalled\n"
    "docker-ce\tamd64\t5:26.1.4-1~debian.13~trixie\tdeinstall\tconfig-files\n"
    "podman-docker\t\t\tunknown\tnot-installed\n"
    "containerd\tamd64\t1.7.24~ds1-6\tinstall\thalf-configured\n"
)


def test_installed_packages() -> None:
    found = packages.parse(ANSWER)
    assert sorted(found) == ["containerd", "docker.io", "dpkg"]
    assert found["docker.io"] == {"version": "26.1.5+dfsg1-9+b11", "architecture": "amd64", "held": True}
    assert not found["containerd"]["held"]


def test_nothing_known() -> None:
    assert packages.parse("") == {}
