# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.gpulab.workstation.plugins.modules import jupyter_supervisor


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> t.Callable[..., dict[str, t.Any]]:
    def run(dest: Path = tmp_path / "libexec" / "supervisor", check: bool = False) -> dict[str, t.Any]:
        given = {"dest": str(dest), "_ansible_check_mode": check, "_ansible_remote_tmp": str(tmp_path)}
        with patch_module_args(given), pytest.raises(SystemExit):
            jupyter_supervisor.main()
        return t.cast("dict[str, t.Any]", json.loads(capsys.readouterr().out))

    return run


def test_installs_once(run: t.Callable[..., dict[str, t.Any]], tmp_path: Path) -> None:
    dest = tmp_path / "libexec" / "supervisor"
    assert run(check=True)["changed"]
    assert not dest.exists()
    assert run()["changed"]
    assert not run()["changed"]
    assert not run(check=True)["changed"]
    dest.write_bytes(dest.read_bytes() + b" ")
    assert run()["changed"]
    dest.chmod(0o644)
    assert run()["changed"]
    assert dest.stat().st_mode & 0o777 == 0o755


def test_what_it_installs_runs_by_itself(run: t.Callable[..., dict[str, t.Any]], tmp_path: Path) -> None:
    """Without the collection, as systemd starts it."""
    dest = Path(run()["dest"])
    done = subprocess.run([dest, "status", "nobody"], cwd=tmp_path, env={}, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "add an instance nobody to jupyter_instances" in done.stderr
    assert "jupyter-supervisor run NAME" in subprocess.run([dest], capture_output=True, text=True, check=False).stderr


def test_place_that_cannot_be_written(run: t.Callable[..., dict[str, t.Any]], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = run(tmp_path / "file" / "supervisor")
    assert result["failed"]
    assert "cannot be written" in result["msg"]
