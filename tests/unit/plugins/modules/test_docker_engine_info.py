# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args
from ansible_collections.gpulab.workstation.plugins.modules import docker_engine_info

ANSWER = "dpkg\tarm64\t1.22.21\tinstall\tinstalled\ndocker.io\tarm64\t26.1.5\tinstall\tinstalled\n"


def test_bare_host(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def answer(_module: AnsibleModule, command: list[str]) -> tuple[int, str, str]:
        asked.append(command)
        return 1, ANSWER, "dpkg-query: no packages found matching docker-ce\n"

    monkeypatch.setattr(AnsibleModule, "run_command", answer)
    with patch_module_args({"packages": ["docker-ce", "docker.io"], "root": str(tmp_path)}), pytest.raises(SystemExit):
        docker_engine_info.main()
    result: dict[str, t.Any] = json.loads(capsys.readouterr().out)
    assert not result["changed"]
    assert result["architecture"] == "arm64"
    assert result["packages"] == {"docker.io": {"version": "26.1.5", "architecture": "arm64", "held": False}}
    assert result["engine"] == {"running": False, "answers": False, "problem": "dockerd is not running"}
    assert result["containers"] == {"running": 0, "names": [], "kept": 0, "volumes": 0}
    assert asked[0][-3:] == ["dpkg", "docker-ce", "docker.io"]
