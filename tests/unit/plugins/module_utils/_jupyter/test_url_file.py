# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter import url_file
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.errors import OperatorError
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.settings import Account
from ansible_collections.gpulab.workstation.tests.unit.plugins.module_utils._jupyter.conftest import MakeSettings

TOKEN = "b" * 48


@pytest.fixture(autouse=True)
def home(machine: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of whoever runs the tests."""
    path = machine / "person"
    path.mkdir()
    monkeypatch.setattr(url_file, "find_account", lambda user: Account(user, os.getuid(), os.getgid(), str(path)))
    return path


def test_file_has_the_tunnel_and_the_url(make_settings: MakeSettings, home: Path) -> None:
    make_settings(user="ada", port=8891).token_file.write_text(TOKEN + "\n")
    before = os.umask(0)
    try:
        result = url_file.hand_over("keras", "lab01", check_mode=False)
    finally:
        os.umask(before)
    path = home / "notebook-keras.txt"
    assert result == {"name": "keras", "user": "ada", "path": str(path), "changed": True}
    assert path.stat().st_mode & 0o777 == 0o400
    assert "ssh -N -L 8891:127.0.0.1:8891 ada@lab01\n" in path.read_text()
    assert f"http://127.0.0.1:8891/lab?token={TOKEN}\n" in path.read_text()
    assert not url_file.hand_over("keras", "lab01", check_mode=False)["changed"]


@pytest.mark.parametrize(
    ("ssh_port", "bind_address", "expected"),
    [
        (22, "127.0.0.1", "    ssh -N -L 8888:127.0.0.1:8888 ada@lab01"),
        (2222, "127.0.0.1", "    ssh -p 2222 -N -L 8888:127.0.0.1:8888 ada@lab01"),
        (2222, "::1", "    ssh -p 2222 -N -L 8888:[::1]:8888 ada@lab01"),
    ],
)
def test_tunnel_goes_where_ssh_listens(
    ssh_port: int, bind_address: str, expected: str, make_settings: MakeSettings, home: Path
) -> None:
    make_settings(user="ada", bind_address=bind_address).token_file.write_text(TOKEN)
    assert url_file.hand_over("keras", "lab01", check_mode=False, ssh_port=ssh_port)["changed"]
    assert expected in (home / "notebook-keras.txt").read_text().splitlines()


def test_others_in_the_network_need_no_tunnel(make_settings: MakeSettings, home: Path) -> None:
    make_settings(bind_address="192.0.2.7", tls="files").token_file.write_text(TOKEN)
    url_file.hand_over("keras", "lab01", check_mode=False)
    text = (home / "notebook-keras.txt").read_text()
    assert f"https://lab01:8888/lab?token={TOKEN}\n" in text
    assert "ssh" not in text


def test_check_mode_writes_nothing(make_settings: MakeSettings, home: Path) -> None:
    make_settings().token_file.write_text(TOKEN)
    assert url_file.hand_over("keras", "lab01", check_mode=True)["changed"]
    assert list(home.iterdir()) == []


def test_what_the_user_put_there_is_not_followed(make_settings: MakeSettings, home: Path, machine: Path) -> None:
    make_settings().token_file.write_text(TOKEN)
    elsewhere = machine / "elsewhere"
    elsewhere.write_text("theirs")
    (home / "notebook-keras.txt").symlink_to(elsewhere)
    assert url_file.hand_over("keras", "lab01", check_mode=False)["changed"]
    assert elsewhere.read_text() == "theirs"
    assert not (home / "notebook-keras.txt").is_symlink()


def test_a_changed_mode_is_mended(make_settings: MakeSettings, home: Path) -> None:
    make_settings().token_file.write_text(TOKEN)
    url_file.hand_over("keras", "lab01", check_mode=False)
    (home / "notebook-keras.txt").chmod(0o644)
    assert url_file.hand_over("keras", "lab01", check_mode=False)["changed"]
    assert (home / "notebook-keras.txt").stat().st_mode & 0o777 == 0o400


def test_a_notebook_that_never_started_is_named(make_settings: MakeSettings) -> None:
    make_settings()
    with pytest.raises(OperatorError, match="Run site"):
        url_file.hand_over("keras", "lab01", check_mode=False)
