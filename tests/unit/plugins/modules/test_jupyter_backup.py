# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import typing as t

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter import backup
from ansible_collections.gpulab.workstation.plugins.modules import jupyter_backup
from ansible_collections.gpulab.workstation.tests.unit.plugins.module_utils._jupyter.conftest import Restic

Run = t.Callable[..., dict[str, t.Any]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(check: bool = False, **given: t.Any) -> dict[str, t.Any]:
        with patch_module_args({**given, "_ansible_check_mode": check}), pytest.raises(SystemExit):
            jupyter_backup.main()
        return t.cast("dict[str, t.Any]", json.loads(capsys.readouterr().out))

    return run


def test_missing_argument(run: Run) -> None:
    assert "missing required arguments: instances" in run()["msg"]


def test_rhythm(run: Run, restic: Restic, instance: dict[str, t.Any]) -> None:
    assert run(check=True, instances=[instance])["changed"]
    assert not backup.config_file("keras").exists()
    created = run(instances=[instance])
    assert created["changed"]
    assert created["new_passwords"] == [str(backup.password_file("keras"))]
    assert not run(instances=[instance])["changed"]
    assert not run(check=True, instances=[instance])["changed"]
    updated = {**instance, "backup_exclude": ["data"]}
    assert run(check=True, instances=[updated])["changed"]
    assert run(instances=[updated])["changed"]
    assert not run(instances=[updated])["changed"]
    assert not run(instances=[])["changed"]


def test_password_is_not_returned(run: Run, restic: Restic, instance: dict[str, t.Any]) -> None:
    result = json.dumps(run(instances=[instance]))
    assert backup.password_file("keras").read_text().strip() not in result


def test_failure_is_a_sentence(run: Run, restic: Restic, instance: dict[str, t.Any]) -> None:
    restic.fail(init=(1, "Fatal: no right"))
    result = run(instances=[instance])
    assert result["failed"]
    assert "cannot make the repository" in result["msg"]
