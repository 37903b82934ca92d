# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.control import restart
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.errors import OperatorError
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.files import prepare
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.preflight import unit_states
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.removal import remove
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.settings import find_account
from ansible_collections.gpulab.workstation.tests.unit.plugins.module_utils._jupyter.conftest import (
    Docker,
    MakeSettings,
    Server,
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
    remove(settings.name, force=False)
    assert docker.commands("rm") == [["rm", "jupyter-keras"]]
    assert not settings.token_file.parent.exists()
    assert [path.name for path in settings.state.iterdir()] == ["home"]
    for directory in directories.values():
        with open(f"{directory}/kept.txt", encoding="utf-8") as file:
            assert file.read() == "mine"
    remove(settings.name, force=False)


@pytest.mark.parametrize("change", ["none", "broken", "user"])
def test_leaves_what_may_be_at_work(
    change: str, docker: Docker, server: Server, make_settings: MakeSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    """A kernel that runs a cell; settings that are broken; a user who is gone."""
    settings = make_settings(port=server.port)
    docker.put_container(settings)
    prepare(settings, find_account(settings.user))
    server.token = settings.token_file.read_text()
    kernel = {"id": "k" * 8, "execution_state": "busy", "last_activity": "2026-11-21T00:00:00Z", "connections": 0}
    server.answers["/api/kernels"] = [kernel]
    path = settings.token_file.parent / "settings.json"
    if change == "broken":
        path.write_text("{")
    elif change == "user":
        make_settings(port=server.port, user="nobody-at-all")
    for action in (remove, restart):
        action(settings.name, force=False)
        assert "is left alone" in capsys.readouterr().out
    assert not docker.commands("rm", "stop")
    assert path.exists()


def test_refuses_what_still_runs(docker: Docker, make_settings: MakeSettings) -> None:
    """As where somebody starts it again by hand in that moment."""
    settings = make_settings()
    docker.put_container(settings)
    with pytest.raises(OperatorError, match="systemctl stop jupyter-keras"):
        remove(settings.name, force=True)
    assert not docker.commands("rm")
    assert (settings.token_file.parent / "settings.json").exists()


def test_leaves_somebody_elses_container_alone(docker: Docker, make_settings: MakeSettings) -> None:
    settings = make_settings()
    container = docker.put_container(settings, running=False)
    container["Config"]["Labels"] = {}
    docker.change(container)
    remove(settings.name, force=False)
    assert not docker.commands("rm")


def test_what_is_not_listed_is_found(docker: Docker, make_settings: MakeSettings) -> None:
    ada = make_settings(name="ada")
    make_settings(name="grace")
    assert unit_states([ada])["unlisted"] == ["grace"]
    assert docker.unit.exists()
