# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter import backup
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.backup_setup import prepare_all
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.errors import OperatorError
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.restore import restore
from ansible_collections.gpulab.workstation.tests.unit.plugins.module_utils._jupyter.conftest import (
    Restic,
)

Instance = dict[str, t.Any]


def bring(**changes: t.Any) -> dict[str, t.Any]:
    given: dict[str, t.Any] = {
        "name": None,
        "snapshot": "latest",
        "paths": [],
        "dest": "",
        "overwrite": False,
        "check": False,
    }
    return restore(**{**given, **changes})


@pytest.fixture
def workdir(restic: Restic, instance: Instance) -> Path:
    """With two snapshots, and work that came after them."""
    prepare_all([instance], check=False)
    workdir = Path(instance["workdir"])
    (workdir / "lessons").mkdir()
    for text in ("old", "newer"):
        (workdir / "lessons" / "a [1].ipynb").write_text(text)
        (workdir / "b.txt").write_text("b")
        backup.back_up("keras")
    (workdir / "lessons" / "a [1].ipynb").write_text("today's")
    return workdir


def test_restores_to_a_new_directory(workdir: Path) -> None:
    result = bring()
    dest = Path(result["dest"])
    assert result == {
        **result,
        "name": "keras",
        "snapshot": "00020000",
        "time": "2026-11-02T02:00:00Z",
        "files": 2,
        "bytes": 6,
    }
    assert dest.parent == workdir
    assert dest.name.startswith("restored-2")
    assert (dest / "lessons" / "a [1].ipynb").read_text() == "newer"
    assert (workdir / "lessons" / "a [1].ipynb").read_text() == "today's"


def test_overwrites_only_when_told(workdir: Path) -> None:
    with pytest.raises(OperatorError, match="nothing is overwritten unless jupyter_restore_overwrite"):
        bring(dest=str(workdir))
    assert (workdir / "lessons" / "a [1].ipynb").read_text() == "today's"
    assert bring(overwrite=True, snapshot="0001")["dest"] == str(workdir)
    assert (workdir / "lessons" / "a [1].ipynb").read_text() == "old"


def test_check_mode_restores_nothing(workdir: Path, restic: Restic) -> None:
    result = bring(check=True, dest="back")
    assert result["files"] == 2
    assert result["dest"] == str(workdir / "back")
    assert not (workdir / "back").exists()
    assert "restore" not in restic.commands


@pytest.mark.parametrize(
    ("paths", "files"), [(["b.txt"], 1), (["lessons"], 1), (["lessons/a [1].ipynb", "/b.txt"], 2), (["lessons/"], 1)]
)
def test_some_files(paths: list[str], files: int, workdir: Path, restic: Restic) -> None:
    assert bring(paths=paths)["files"] == files
    include = [argument for argument in restic.calls[-1]["arguments"] if argument.startswith("--include")]
    assert len(include) == len(paths)
    assert all(argument.startswith("--include=/") for argument in include)
    assert not any("[" in argument.replace("\\[", "") for argument in include)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"name": "ada"}, "no backups of an instance ada: .* It has those of keras"),
        (
            {"snapshot": "ffff"},
            r"No snapshot of instance keras .* begins with ffff. It has 00020000 \(2026-11-02T02:00\)",
        ),
        ({"snapshot": "000"}, "Several snapshots .* begin with 000"),
        ({"paths": ["lesson"]}, "has no lesson. Paths start at .*; did you mean lessons?"),
        ({"paths": ["x" * 40]}, r"without it\.$"),
        ({"dest": "b.txt"}, "is there already"),
        ({"dest": "/proc/nowhere"}, "cannot make the directory /proc/nowhere"),
    ],
)
def test_refusals_touch_nothing(given: dict[str, t.Any], expected: str, workdir: Path, restic: Restic) -> None:
    before = sorted(workdir.rglob("*"))
    with pytest.raises(OperatorError, match=expected):
        bring(**given)
    assert sorted(workdir.rglob("*")) == before
    assert "restore" not in restic.commands


def test_name_is_needed_where_there_are_several(workdir: Path, instance: Instance) -> None:
    prepare_all([{**instance, "name": "ada"}], check=False)
    with pytest.raises(OperatorError, match="the backups of ada, keras: say whose to restore, as jupyter_restore_name"):
        bring()
    with pytest.raises(OperatorError, match=r"Instance ada has no snapshot in .* yet"):
        bring(name="ada")


def test_machine_without_backups(restic: Restic) -> None:
    with pytest.raises(OperatorError, match="no backups of notebooks: jupyter_backup switches them on"):
        bring()


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        ({"snapshots": (1, "Fatal: unable to open config file: stat")}, "see whether its file system is mounted"),
        ({"restore": (1, "Fatal: no space left on device")}, "did not succeed: no space left.* may be incomplete"),
    ],
)
def test_failures(failure: dict[str, t.Any], expected: str, workdir: Path, restic: Restic) -> None:
    restic.fail(**failure)
    with pytest.raises(OperatorError, match=expected):
        bring()
