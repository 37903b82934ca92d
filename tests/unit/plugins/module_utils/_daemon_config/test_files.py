# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config import files
from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.errors import DaemonConfigError
from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.files import read, under_root

PATH = "/etc/docker/daemon.json"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "etc/docker").mkdir(parents=True)
    return tmp_path


def test_no_file(root: Path) -> None:
    assert read(str(root), PATH) == (f"{root}{PATH}", None)
    assert read(str(root), "/nowhere/at/all.json")[1] is None


def test_a_file(root: Path) -> None:
    (root / "etc/docker/daemon.json").write_text("{}")
    assert read(str(root), PATH) == (f"{root}{PATH}", b"{}")


@pytest.mark.parametrize("target", ["/srv/d.json", "../../srv/d.json", "../../../../../srv/./d.json"])
def test_links_stay_below_the_root(root: Path, target: str) -> None:
    (root / "srv").mkdir()
    (root / "srv/d.json").write_text("{}")
    (root / "etc/docker/daemon.json").symlink_to(target)
    assert read(str(root), PATH) == (f"{root}/srv/d.json", b"{}")


def test_linked_directory(root: Path) -> None:
    (root / "srv").mkdir()
    (root / "etc/docker").rmdir()
    (root / "etc/docker").symlink_to("/srv")
    assert read(str(root), PATH) == (f"{root}/srv/daemon.json", None)


def test_the_real_root(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "target")
    assert under_root("/", f"{tmp_path}/./link") == os.path.realpath(tmp_path / "target")


def test_dangling_link(root: Path) -> None:
    (root / "etc/docker/daemon.json").symlink_to("/srv/d.json")
    with pytest.raises(DaemonConfigError, match=r"symbolic link to .*/srv/d\.json, which does not exist\. Create"):
        read(str(root), PATH)


def test_loop(root: Path) -> None:
    (root / "etc/docker/daemon.json").symlink_to("other.json")
    (root / "etc/docker/other.json").symlink_to("daemon.json")
    with pytest.raises(DaemonConfigError, match="a loop of symbolic links"):
        read(str(root), PATH)


def test_directory(root: Path) -> None:
    (root / "etc/docker/daemon.json").mkdir()
    with pytest.raises(DaemonConfigError, match="is a directory"):
        read(str(root), PATH)


def test_fifo(root: Path) -> None:
    os.mkfifo(root / "etc/docker/daemon.json")
    with pytest.raises(DaemonConfigError, match="neither a file nor a directory"):
        read(str(root), PATH)


def test_parent_is_a_file(root: Path) -> None:
    (root / "etc/docker").rmdir()
    (root / "etc/docker").write_text("")
    with pytest.raises(DaemonConfigError, match=r"cannot be read: Not a directory\.$"):
        read(str(root), PATH)


def test_permission(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "etc/docker/daemon.json").write_text("{}")

    def refuse(*_args: object, **_kwargs: object) -> None:  # root, as whom the tests may run, is never refused
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(files, "open", refuse, raising=False)
    with pytest.raises(DaemonConfigError, match=r"cannot be read: Permission denied\. Run the task with become\."):
        read(str(root), PATH)
