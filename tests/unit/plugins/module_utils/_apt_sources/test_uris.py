# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.gpulab.workstation.plugins.module_utils._apt_sources.uris import same_repository

DOCKER = "https://download.docker.com/linux/debian"


@pytest.mark.parametrize(
    "other",
    [
        DOCKER,
        DOCKER + "/",
        "http://download.docker.com/linux/debian",
        "https://Download.Docker.com//linux/debian/",
        "https://download.docker.com:443/linux/debian",
    ],
)
def test_spellings_of_one_repository(other: str) -> None:
    assert same_repository(DOCKER, other)
    assert same_repository(other, DOCKER)


@pytest.mark.parametrize(
    "other",
    [
        "https://download.docker.com/linux/ubuntu",
        "https://download.docker.com/linux/Debian",
        "https://download.docker.com:8443/linux/debian",
        "https://mirror.example/linux/debian",
        "file:/linux/debian",
        "https://download.docker.com:none/linux/debian",
    ],
)
def test_other_repositories(other: str) -> None:
    assert not same_repository(DOCKER, other)


def test_local_repositories() -> None:
    assert same_repository("file:///srv/archive/", "file:/srv/archive")
    assert not same_repository("file:///srv/archive", "copy:///srv/archive")
