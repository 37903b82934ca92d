# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import pwd
import typing as t
from pathlib import Path

import pytest
from ansible_collections.gpulab.workstation.plugins.module_utils._gpu_visibility.parsers import smi_list
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter import gpus, layout, preflight
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.engine import Engine
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.gpu_assignment import (
    assign,
    claimed,
    conflicts,
    devices_of,
    wants_gpus,
)
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.settings import Settings
from ansible_collections.gpulab.workstation.tests.unit.plugins.module_utils._jupyter.conftest import MakeSettings

LISTED = """\
GPU 0: Tesla T4 (UUID: GPU-0000-000a)
GPU 1: Tesla T4 (UUID: GPU-0000-000b)
GPU 2: NVIDIA A100-SXM4-80GB (UUID: GPU-0000-000c)
  MIG 3g.40gb     Device  0: (UUID: MIG-1)
  MIG 3g.40gb     Device  1: (UUID: MIG-2)
"""
DEVICES = devices_of(smi_list.parse(LISTED).gpus)
CUDA = {"Config": {"Env": ["PATH=/bin", "NVIDIA_VISIBLE_DEVICES=all"]}}
Make = t.Callable[..., "list[Settings]"]


@pytest.fixture
def make(make_settings: MakeSettings) -> Make:
    """Instances by their GPUs: make(ada="auto", grace=[1])."""
    return lambda **each: [
        make_settings(name=name, gpus=wanted, port=9000 + number) for number, (name, wanted) in enumerate(each.items())
    ]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("all",), {"GPU-0000-000a", "GPU-0000-000b", "MIG-1", "MIG-2"}),
        (("0",), {"GPU-0000-000a"}),
        (("GPU-0000-000b",), {"GPU-0000-000b"}),
        (("2",), {"MIG-1", "MIG-2"}),
        (("2:1",), {"MIG-2"}),
        (("7",), {"7"}),
    ],
)
def test_claims(names: tuple[str, ...], expected: set[str]) -> None:
    assert claimed(names, DEVICES) == expected


def test_one_in_turn(make: Make) -> None:
    given = assign(make(a="auto", b="auto", c="auto", d="auto", e="auto"), DEVICES, {})
    assert given == {
        "a": ("GPU-0000-000a",),
        "b": ("GPU-0000-000b",),
        "c": ("MIG-1",),
        "d": ("MIG-2",),
        "e": ("GPU-0000-000a",),
    }


def test_the_only_instance_gets_all(make: Make) -> None:
    assert assign(make(a="auto"), DEVICES, {}) == {"a": ("all",)}
    assert assign(make(a="auto", b=[0]), DEVICES, {}) == {"b": ("0",), "a": ("GPU-0000-000b",)}


def test_what_somebody_has_stays(make: Make) -> None:
    given = assign(make(new="auto", a="auto", b="auto"), DEVICES, {"a": ("GPU-0000-000a",), "b": ("GPU-0000-000c",)})
    assert given["a"] == ("GPU-0000-000a",)
    # A card that is gone, and one that was given while there was nobody else.
    assert given["new"] == ("GPU-0000-000b",)
    assert given["b"] == ("MIG-1",)
    assert assign(make(a="auto", b="auto"), DEVICES, {"a": ("all",)})["a"] == ("GPU-0000-000a",)


def test_what_somebody_has_by_name_is_not_given_in_turn_as_well(make: Make) -> None:
    before = {"ada": ("GPU-0000-000a",), "grace": ("GPU-0000-000b",)}
    given = assign(make(ada="auto", grace="auto", linus=[0]), DEVICES, before)
    assert given == {"linus": ("0",), "ada": ("MIG-1",), "grace": ("GPU-0000-000b",)}


def test_nobody_moves_where_all_are_shared(make: Make) -> None:
    two = DEVICES[:2]
    before = {"a": ("GPU-0000-000a",), "b": ("GPU-0000-000b",), "c": ("GPU-0000-000a",)}
    assert assign(make(c="auto", a="auto", b="auto"), two, before) == before
    # The last one moves, to what is free.
    together = {"a": ("GPU-0000-000a",), "b": ("GPU-0000-000a",)}
    assert assign(make(a="auto", b="auto"), two, together) == {"a": ("GPU-0000-000a",), "b": ("GPU-0000-000b",)}


def test_who_is_on_the_machine_and_not_in_the_list_counts(make: Make) -> None:
    # Of another play, or of somebody who has left and whose notebook still runs.
    assert assign(make(a="auto"), DEVICES, {}, others=[("GPU-0000-000a",)]) == {"a": ("GPU-0000-000b",)}
    assert assign(make(a="auto"), DEVICES, {"a": ("all",)}, others=[("all",)]) == {"a": ("GPU-0000-000a",)}
    assert assign(make(a="auto"), DEVICES, {}, others=[()]) == {"a": ("all",)}
    # What somebody has stays, when another leaves the list.
    before = {"b": ("GPU-0000-000b",)}
    given = assign(make(b="auto", new="auto"), DEVICES, before, others=[("GPU-0000-000a",)])
    assert given == {"b": ("GPU-0000-000b",), "new": ("MIG-1",)}


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({"0", "1", "2:0", "2:1", "all"}, [("0",), ("1",), ("2:0",), ("2:1",)]),
        ({"all"}, [("all",)] * 4),
        ({"0", "GPU-0000-000a", "1", "all"}, [("GPU-0000-000a",), ("1",), ("all",), ("all",)]),
    ],
)
def test_by_names_that_the_specification_has(make: Make, known: set[str], expected: list[tuple[str, ...]]) -> None:
    everybody = make(a="auto", b="auto", c="auto", d="auto")
    given = assign(everybody, DEVICES, {}, frozenset(known))
    assert [given[name] for name in "abcd"] == expected
    # Whichever name was recorded, the next run gives the same.
    assert assign(everybody, DEVICES, given, frozenset(known)) == given


def test_a_silent_driver_takes_no_gpu_away(make: Make) -> None:
    assert assign(make(a="auto", b="auto"), [], {"a": ("GPU-0000-000a",)}) == {"a": ("GPU-0000-000a",), "b": ()}


def test_conflicts_are_named(make: Make) -> None:
    found = conflicts(make(a=[0], b=["GPU-0000-000a"], c=["2:0"], d=[2], e="auto", f="none"), DEVICES)
    assert [sentence.partition(":")[0] for sentence in found] == [
        "Instances a and b claim the same GPU (GPU-0000-000a)",
        "Instances c and d claim the same GPU (MIG-1)",
    ]
    assert conflicts(make(a="all", b=[1]), DEVICES)
    assert not conflicts(make(a=[0], b=[1]), DEVICES)
    # Where the driver does not answer, names are all there is.
    assert conflicts(make(a=[0], b=[0]), [])
    assert conflicts(make(a="all", b="all"), [])


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (CUDA, True),
        ({"Config": {"Labels": {"gpulab.workstation.variant": "gpu"}}}, True),
        ({"Config": {"Labels": {"gpulab.workstation.variant": "cpu"}}}, False),
        ({"Config": {"Env": ["NVIDIA_VISIBLE_DEVICES=void"]}}, False),
        ({"Config": {"Env": None}}, False),
        (None, False),
    ],
)
def test_images_made_for_gpus(image: dict[str, t.Any] | None, expected: bool) -> None:
    assert wants_gpus(image) == expected


class Settle(t.NamedTuple):
    instances: list[Settings]
    problems: list[str]


@pytest.fixture
def settle(monkeypatch: pytest.MonkeyPatch) -> t.Callable[..., Settle]:
    def call(instances: list[Settings], image: t.Any = None, method: str = "cdi", share: bool = False) -> Settle:
        monkeypatch.setattr(gpus, "find_method", lambda _engine: method)
        monkeypatch.setattr(gpus, "cdi_names", lambda _engine: frozenset({"0", "1", "2:0", "2:1", "all"}))
        monkeypatch.setattr(preflight, "list_devices", lambda: DEVICES)
        return Settle(
            *preflight.settle_gpus(instances, {"keras:cpu": CUDA if image is None else image}, Engine(), share)
        )

    return call


def test_settled_by_image_and_engine(make: Make, settle: t.Callable[..., Settle]) -> None:
    assert [i.gpus for i in settle(make(a="auto", b="auto")).instances] == [("0",), ("1",)]
    assert [i.gpus for i in settle(make(a="auto", b="auto"), method="gpus").instances] == [
        ("GPU-0000-000a",),
        ("GPU-0000-000b",),
    ]
    assert [i.gpus for i in settle(make(a="auto", b="auto"), image={}).instances] == [(), ()]
    assert [i.gpus for i in settle(make(a="auto", b="auto"), method="").instances] == [(), ()]
    assert [i.gpus for i in settle(make(a=[0], b="none"), image={}).instances] == [("0",), ()]


def test_shared_only_when_asked(make: Make, settle: t.Callable[..., Settle]) -> None:
    assert settle(make(a=[0], b=[0])).problems
    assert not settle(make(a=[0], b=[0]), share=True).problems


def test_what_those_have_that_are_not_in_the_list(make_settings: MakeSettings) -> None:
    make_settings(name="listed", gpus=["GPU-0000-000a"])
    make_settings(name="left", gpus=["GPU-0000-000b"])
    make_settings(name="disabled", gpus=["GPU-0000-000c"], enabled=False)
    make_settings(name="before-gpus")
    make_settings(name="broken")
    (layout.CONFIG / "broken" / "settings.json").write_text("{")
    assert preflight.unlisted({"listed", "disabled"}) == ["before-gpus", "broken", "left"]
    assert preflight.others_gpus({"listed"}) == [(), ("GPU-0000-000b",)]


def test_who_may_use_the_engine(make_settings: MakeSettings, tmp_path: Path) -> None:
    (tmp_path / "docker.sock").touch()
    os.chown(tmp_path / "docker.sock", -1, os.getgid())
    entry = pwd.getpwuid(os.getuid())
    expected = set() if entry.pw_name == "root" else {entry.pw_name}
    assert preflight.engine_users(tmp_path / "docker.sock") >= expected
    assert preflight.engine_users(tmp_path / "none") == set()

    both = [make_settings(name="ada", user="ada"), make_settings(name="grace", user="grace")]
    (problem,) = preflight.neighbour_problems(both, {"ada", "linus"})
    assert problem.startswith("ada may use Docker Engine")
    assert "jupyter_allow_docker_users" in problem
    assert preflight.neighbour_problems(both[:1], {"ada"}) == []
