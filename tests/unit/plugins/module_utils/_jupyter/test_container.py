# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container is made of: its options, its files, its token."""

from __future__ import annotations

import itertools
import os
import stat
import typing as t
from pathlib import Path

import pytest
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter import layout
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.container import (
    bind_mount,
    container_options,
    passwd_and_group,
    settings_hash,
)
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.errors import OperatorError
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.files import prepare, run_as
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.settings import (
    Account,
    find_account,
    in_bytes,
)
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.supervisor import environment_file
from ansible_collections.gpulab.workstation.tests.unit.plugins.module_utils._jupyter.conftest import MakeSettings


def pairs(options: list[str]) -> list[str]:
    return [f"{option} {value}" for option, value in itertools.pairwise(options)]


def test_container_is_confined(make_settings: MakeSettings, account: Account) -> None:
    options = container_options(make_settings(), account, "1000")
    assert "--read-only" in options
    found = pairs(options)
    for wanted in ("--cap-drop ALL", "--security-opt no-new-privileges", "--user 1234:1235", "--memory 1000"):
        assert wanted in found
    assert "--publish 127.0.0.1:8888:8888" in found
    assert "--network jupyter-keras" in found
    # The image's entrypoint is an init already.
    assert "--init" not in options


def test_optional_limits(make_settings: MakeSettings, account: Account) -> None:
    assert "--cpus" not in container_options(make_settings(), account, "1")
    assert "--cpus 1.5" in pairs(container_options(make_settings(cpus=1.5), account, "1"))


def test_ipv6_address_is_bracketed(make_settings: MakeSettings, account: Account) -> None:
    assert "--publish [::1]:8888:8888" in pairs(container_options(make_settings(bind_address="::1"), account, "1"))


def test_directories_follow_the_user(make_settings: MakeSettings, account: Account) -> None:
    directories = make_settings(workdir="~/notebooks", home="").directories(account)
    assert directories == {"workdir": "/home/ada/notebooks", "home": f"{layout.STATE}/keras/home"}
    assert make_settings(workdir="/data/~x").directories(account)["workdir"] == "/data/~x"


def test_odd_directories_reach_docker_whole() -> None:
    assert bind_mount('/a,b "c"', "/src")[1] == 'type=bind,"source=/a,b ""c""",target=/src'


def test_environment_is_in_no_command_line(make_settings: MakeSettings, account: Account) -> None:
    settings = make_settings(environment={"WORD": "hidden", "NUMBER": 3})
    assert "hidden" not in " ".join(container_options(settings, account, "1"))
    with environment_file(settings.environment) as descriptor:
        assert os.pread(descriptor, 100, 0) == b"WORD=hidden\nNUMBER=3\n"


@pytest.mark.parametrize(
    "change",
    [
        {"image": "keras:gpu"},
        {"bind_address": "127.0.0.2"},
        {"port": 9999},
        {"workdir": "/elsewhere"},
        {"home": "/elsewhere"},
        {"memory": "50%"},
        {"cpus": 2},
        {"shm_size": "2g"},
        {"pids_limit": 5},
        {"environment": {"KERAS_BACKEND": "jax"}},
    ],
)
def test_hash_names_every_setting_of_the_container(
    change: dict[str, t.Any], make_settings: MakeSettings, account: Account
) -> None:
    assert settings_hash(make_settings(**change), account) != settings_hash(make_settings(), account)


@pytest.mark.parametrize("change", [{"start_timeout": 1}, {"stop_timeout": 1}, {"idle_minutes": 1}])
def test_hash_leaves_the_supervisors_own_settings_out(
    change: dict[str, t.Any], make_settings: MakeSettings, account: Account
) -> None:
    assert settings_hash(make_settings(**change), account) == settings_hash(make_settings(), account)


def test_hash_does_not_depend_on_this_machine(
    make_settings: MakeSettings, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = settings_hash(make_settings(), account)
    monkeypatch.setattr(
        "ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.settings.total_memory", lambda: 12345
    )
    assert settings_hash(make_settings(), account) == before


@pytest.mark.parametrize(
    ("size", "expected"), [("512m", 512 * 2**20), ("16G", 16 * 2**30), ("1000", 1000), ("75%", 750), ("10b", 10)]
)
def test_sizes(size: str, expected: int) -> None:
    assert in_bytes(size, total=1000) == expected


@pytest.mark.parametrize("size", ["", "g", "4 g", "-1g", "1.5g", "lots"])
def test_sizes_that_are_none(size: str) -> None:
    with pytest.raises(OperatorError, match="is no size"):
        in_bytes(size, total=1000)


def test_user_has_a_name_inside(account: Account) -> None:
    passwd, group = passwd_and_group(account)
    assert "ada:x:1234:1235::/home/keras:/bin/bash\n" in passwd
    assert "ada:x:1235:\n" in group


def test_preparation(make_settings: MakeSettings) -> None:
    settings = make_settings()
    account = find_account(settings.user)
    prepare(settings, account)
    token = settings.token_file.read_text()
    assert len(token) == 48
    assert stat.S_IMODE(settings.token_file.stat().st_mode) == 0o400
    assert stat.S_IMODE((settings.state / "home").stat().st_mode) == 0o700
    assert Path(settings.workdir).is_dir()
    prepare(settings, account)
    assert settings.token_file.read_text() == token, "a second start must not lock anybody out"
    settings.token_file.unlink()
    prepare(settings, account)
    assert settings.token_file.read_text() not in ("", token)


def test_directory_that_is_a_file(make_settings: MakeSettings, machine: Path) -> None:
    (machine / "notebooks").write_text("")
    settings = make_settings()
    with pytest.raises(OperatorError, match=r"cannot use the directory .*/notebooks"):
        prepare(settings, find_account(settings.user))


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_directories_are_made_with_the_users_rights(tmp_path: Path) -> None:
    nobody = Account("nobody", 65534, 65534, "/nonexistent")
    tmp_path.chmod(0o700)
    with pytest.raises(OperatorError, match="Permission denied"):
        run_as(nobody, lambda: os.mkdir(tmp_path / "mine"))
    assert not (tmp_path / "mine").exists()
