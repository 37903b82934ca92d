# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter import backup
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.backup_setup import prepare_all
from ansible_collections.gpulab.workstation.plugins.modules import jupyter_restore
from ansible_collections.gpulab.workstation.tests.unit.plugins.module_utils._jupyter.conftest import Restic

Run = t.Callable[..., dict[str, t.Any]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(check: bool = False, **given: t.Any) -> dict[str, t.Any]:
        with patch_module_args({**given, "_ansible_check_mode": check}), pytest.raises(SystemExit):
            jupyter_restore.main()
        return t.cast("dict[str, t.Any]", json.loads(capsys.readouterr().out.splitlines()[-1]))

    return run


def test_restores_or_says_why_not(run: Run, restic: Restic, instance: dict[str, t.Any]) -> None:
    assert "no backups of notebooks" in run()["msg"]
    prepare_all([instance], check=False)
    workdir = Path(instance["workdir"])
    (workdir / "a.ipynb").write_text("{}")
    backup.back_up("keras")

    predicted = run(check=True, dest="back")
    assert predicted["changed"]
    assert not (workdir / "back").exists()
    restored = run(dest="back", paths=["a.ipynb"], snapshot="0001")
    assert restored["changed"]
    assert restored["dest"] == str(workdir / "back")
    assert (workdir / "back" / "a.ipynb").read_text() == "{}"

    again = run(dest="back")
    assert again["failed"]
    assert "is there already" in again["msg"]
    assert run(dest="back", overwrite=True)["changed"]
