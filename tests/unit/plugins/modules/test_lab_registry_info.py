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
from ansible_collections.gpulab.workstation.plugins.modules import lab_registry_info

PASSWORDS = {"pull": "of pull", "push": "of push"}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """For whom htpasswd was run, and what it was given; it says yes to the right password."""
    seen: list[tuple[str, str]] = []

    def run(_module: AnsibleModule, command: list[str], data: str) -> tuple[int, str, str]:
        seen.append((command[-1], data))
        return (0 if data == PASSWORDS[command[-1]] else 3), "", ""

    monkeypatch.setattr(AnsibleModule, "run_command", run)
    monkeypatch.setattr(AnsibleModule, "get_bin_path", lambda _module, name: f"/usr/bin/{name}")
    monkeypatch.setattr(lab_registry_info, "asked", lambda _module: [])
    return seen


def look(capsys: pytest.CaptureFixture[str], file: Path, accounts: dict[str, str]) -> t.Any:
    given = {"password_files": {str(file): ["pull", "push"]}, "accounts": accounts, "storage": str(file.parent)}
    with patch_module_args(given), pytest.raises(SystemExit):
        lab_registry_info.main()
    return json.loads(capsys.readouterr().out)["passwords"][str(file)]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (None, []),
        ("", []),
        ("# push:\n\n", []),
        ("pull:$2y$05$hash\n", ["pull"]),
        ("other:$2y$05$hash\npull:$2y$05$hash\npush:$2y$05$hash\n", ["pull", "push"]),
    ],
)
def test_htpasswd_is_asked_only_for_whom_it_knows(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    asked: list[tuple[str, str]],
    content: str | None,
    found: list[str],
) -> None:
    file = tmp_path / "htpasswd"
    if content is not None:
        file.write_text(content)
    assert look(capsys, file, PASSWORDS) == found
    assert asked == [(name, PASSWORDS[name]) for name in found]


def test_a_wrong_password_is_none(capsys: pytest.CaptureFixture[str], tmp_path: Path, asked: list[t.Any]) -> None:
    file = tmp_path / "htpasswd"
    file.write_text("pull:$2y$05$hash\npush:$2y$05$hash\n")
    assert look(capsys, file, {**PASSWORDS, "pull": "another"}) == ["push"]
    assert len(asked) == 2
