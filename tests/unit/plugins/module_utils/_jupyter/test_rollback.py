# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Going back because the operator asked; tests of the supervisor show how a version is taken back by itself."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter import control
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.errors import OperatorError
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.records import (
    Version,
    note_failed,
    note_healthy,
    previous,
)
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.settings import Settings, load_settings
from ansible_collections.gpulab.workstation.tests.unit.plugins.module_utils._jupyter.conftest import (
    Docker,
    MakeSettings,
)


@pytest.fixture
def restarted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    units: list[str] = []
    monkeypatch.setattr(control, "systemctl", lambda *arguments: units.append(" ".join(arguments)))
    return units


def became_healthy(settings: Settings, image: str, identity: str) -> Settings:
    note_healthy(settings, identity, Version(settings, image))
    return settings


def test_settings_and_image_that_were_healthy_before(
    docker: Docker, make_settings: MakeSettings, restarted: list[str]
) -> None:
    first = became_healthy(make_settings(memory="4g"), "sha256:one", "a")
    became_healthy(first, "sha256:one", "b")
    assert previous(first) is None
    second = became_healthy(make_settings(memory="8g"), "sha256:two", "c")
    docker.put_container(second, running=False)
    control.roll_back("keras", force=False)
    assert restarted == ["restart jupyter-keras.service"]
    now = load_settings("keras")
    assert (now.memory, now.image) == ("4g", "sha256:one")
    # And forth again.
    became_healthy(now, "sha256:one", "d")
    control.roll_back("keras", force=False)
    assert (load_settings("keras").memory, load_settings("keras").image) == ("8g", "sha256:two")


def test_nothing_to_go_back_to(docker: Docker, make_settings: MakeSettings, restarted: list[str]) -> None:
    settings = became_healthy(make_settings(), "sha256:one", "a")
    with pytest.raises(OperatorError, match="one version only"):
        control.roll_back("keras", force=False)
    became_healthy(make_settings(memory="8g"), "keras:gone", "b")
    became_healthy(settings, "sha256:one", "c")
    with pytest.raises(OperatorError, match="keras:gone before, and this machine does not have that"):
        control.roll_back("keras", force=False)
    assert restarted == []


def test_work_is_left_alone(
    docker: Docker, make_settings: MakeSettings, restarted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    became_healthy(make_settings(memory="4g"), "sha256:one", "a")
    became_healthy(make_settings(memory="8g"), "sha256:two", "b")
    seen: dict[str, t.Any] = {"busy": ["Untitled.ipynb runs a cell"], "failed": ""}
    monkeypatch.setattr(control, "status", lambda _name: seen)
    control.roll_back("keras", force=False)
    assert restarted == []
    assert load_settings("keras").memory == "8g"
    control.roll_back("keras", force=True)
    assert load_settings("keras").memory == "4g"


def test_a_version_that_does_not_come_up_again_is_no_success(
    docker: Docker, make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    became_healthy(make_settings(memory="4g"), "sha256:one", "a")
    second = became_healthy(make_settings(memory="8g"), "sha256:two", "b")
    docker.put_container(second)

    def fail(*_arguments: str) -> None:
        note_failed(Version(load_settings("keras"), "sha256:one"), "it did not answer", is_final=True)

    monkeypatch.setattr(control, "systemctl", fail)
    with pytest.raises(OperatorError, match="it did not answer"):
        control.roll_back("keras", force=True)
    # The next start is of what ran, and of what the inventory asks for.
    assert load_settings("keras").memory == "8g"


@pytest.mark.parametrize(
    ("tag", "is_version"),
    [
        ("keras:cpu-391f194084ab", True),
        ("lab01:5000/keras:gpu-391f194084ab", True),
        ("keras:cpu", False),
        ("lab-01/own:latest-gpu", False),
        ("lab01:5000/own-391f194084ab:1", False),
    ],
)
def test_tags_that_stay_with_their_image(tag: str, is_version: bool) -> None:
    assert bool(control.VERSION.search(tag)) == is_version
