# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.errors import OperatorError
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.files import prepare
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.preflight import unit_states
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.removal import remove
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.settings import find_account
from ansible_collections.gpulab.workstation.tests.unit.plugins.module_utils._jupyter.conftest import (
    Docker,
    MakeSettings,
)


def test_leaves_the_users_files_and_nothing_else(docker: Docker, make_settings: MakeSettings) -> None:
    settings = make_settings()
    account = find_account(settings.user)
    prepare(settings, account)
    directories = settings.directories(account)
    for directory in directories.values():
        with open(f"{directory}/kept.txt", "w", encoding="utf-8") as file:
            file.write("mine")
    docker.put_container(settings, running=False)
    remove(settings.name)
    assert docker.commands("rm") == [["rm", "jupyter-keras"]]
    assert not settings.token_file.parent.exists()
    assert [path.name for path in settings.state.iterdir()] == ["home"]
    for directory in directories.values():
        with open(f"{directory}/kept.txt", encoding="utf-8") as file:
            assert file.read() == "mine"
    remove(settings.name)


def test_refuses_what_runs(docker: Docker, make_settings: MakeSettings) -> None:
    settings = make_settings()
    docker.put_container(settings)
    with pytest.raises(OperatorError, match="systemctl stop jupyter-keras"):
        remove(settings.name)
    assert not docker.commands("rm")
    assert (settings.token_file.parent / "settings.json").exists()


def test_leaves_somebody_elses_container_alone(docker: Docker, make_settings: MakeSettings) -> None:
    settings = make_settings()
    container = docker.put_container(settings, running=False)
    container["Config"]["Labels"] = {}
    docker.change(container)
    remove(settings.name)
    assert not docker.commands("rm")


def test_what_is_not_listed_is_found(docker: Docker, make_settings: MakeSettings) -> None:
    ada = make_settings(name="ada")
    make_settings(name="grace")
    assert unit_states([ada])["unlisted"] == ["grace"]
    assert docker.unit.exists()
