# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values that no notebook can have: each gets a sentence that says where it is and what to do, and none a traceback."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter import gpus, preflight
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.container import container_options
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.settings import Account, Settings
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.supervisor import environment_file
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.values import (
    environment_problems,
    range_problems,
    type_problems,
)
from hypothesis import given
from hypothesis import strategies as st

ADA = Account("ada", 1234, 1235, "/home/ada")
GOOD: dict[str, t.Any] = {
    "name": "keras",
    "enabled": True,
    "image": "keras:cpu",
    "user": "ada",
    "bind_address": "127.0.0.1",
    "port": 8888,
    "workdir": "~/notebooks",
    "home": "",
    "memory": "75%",
    "cpus": 0,
    "shm_size": "1g",
    "pids_limit": 4096,
    "environment": {},
    "start_timeout": 120,
    "stop_timeout": 30,
    "idle_minutes": 60,
    "gpus": "auto",
    "gpu_method": "auto",
    "cull_idle_minutes": 0,
    "tls": "none",
    "tls_certificate": "",
    "tls_private_key": "",
}


def problems_of(raw: dict[str, t.Any]) -> list[str]:
    """All that is said of one instance before the machine is asked."""
    found = list(type_problems(raw))
    if found:
        return found
    instance = Settings.parse(raw)
    found = preflight.list_problems([instance], allow_plain_http=False)
    found += range_problems(instance)
    found += environment_problems(instance.environment)
    found += preflight.share_problems(instance)
    return found + [gpus.problem(instance.gpus)] * bool(gpus.problem(instance.gpus))


def test_what_is_good_is_accepted() -> None:
    assert problems_of(GOOD) == []


TYPES: list[tuple[str, t.Any, str]] = [
    ("port", None, "its `port` is empty, and should be a whole number"),
    ("port", True, "its `port` is true, and should be a number"),
    ("port", "x", "its `port` is x, and should be a whole number"),
    ("port", [1], "its `port` is [1]"),
    ("port", 88.5, "its `port` is 88.5, and should be a whole number"),
    ("port", "8" * 5000, "its `port` is 888"),
    ("pids_limit", float("inf"), "its `pids_limit` is inf, and should be a whole number"),
    ("start_timeout", "1m", "its `start_timeout` is 1m, and should be a whole number"),
    ("stop_timeout", False, "its `stop_timeout` is false, and should be a number"),
    ("cpus", None, "its `cpus` is empty, and should be a number"),
    ("cpus", True, "its `cpus` is true, and should be a number"),
    ("cpus", "two", "its `cpus` is two, and should be a number"),
    ("enabled", "maybe", "its `enabled` is maybe, and should be true or false"),
    ("enabled", None, "its `enabled` is empty, and should be true or false"),
    ("environment", "A=b", "its `environment` is A=b, and should be names with their values"),
    ("environment", ["A"], "its `environment` is ['A'], and should be names with their values"),
    ("environment", {"A": None}, "its `environment` has for A what is neither text nor a number"),
    ("environment", {"A": ["x"]}, "its `environment` has for A"),
    ("image", None, "its `image` is empty"),
    ("workdir", "/srv/a\nb", "its `workdir` /srv/a b has a line's end or another control character"),
    ("workdir", "/srv/a\0", "its `workdir` /srv/a\ufffd has a line's end or another control character"),
    ("user", "ada\0", "its `user` ada\ufffd has a line's end"),
    ("home", "/srv/\ud800", "its `home` /srv/\ufffd has a line's end"),
    ("potr", 1, "`potr` is nothing that an instance has"),
]


@pytest.mark.parametrize(("key", "value", "expected"), TYPES)
def test_values_of_other_types(key: str, value: t.Any, expected: str) -> None:
    """As the module says it, before it asks anything of the machine."""
    (problem,) = preflight.preflight([{**GOOD, key: value}], allow_plain_http=False)["problems"]
    assert problem.startswith("Instance keras: ")
    assert expected in problem


def test_an_instance_without_a_name_or_a_value() -> None:
    (problem,) = type_problems({key: value for key, value in GOOD.items() if key != "name"})
    assert problem.startswith("An instance in jupyter_instances has no `name`")
    (problem,) = type_problems({key: value for key, value in GOOD.items() if key != "port"})
    assert "its `port` is missing" in problem


RANGES: list[tuple[str, t.Any, str]] = [
    ("start_timeout", -1, "its `start_timeout` -1 is not from 1 to 86400"),
    ("start_timeout", 0, "its `start_timeout` 0 is not from 1 to 86400"),
    ("stop_timeout", -1, "its `stop_timeout` -1 is not from 0 to 3600"),
    ("stop_timeout", 10**9, "its `stop_timeout` 1000000000 is not from 0 to 3600"),
    ("pids_limit", -1, "its `pids_limit` -1 is not from 64"),
    ("pids_limit", 0, "its `pids_limit` 0 is not from 64"),
    ("pids_limit", 10, "its `pids_limit` 10 is not from 64"),
    ("cull_idle_minutes", -5, "its `cull_idle_minutes` -5 is not from 0"),
    ("cull_idle_minutes", 10**20, "its `cull_idle_minutes` 100000000000000000000 is not from 0"),
    ("idle_minutes", -1, "its `idle_minutes` -1 is not from 0"),
    ("memory", "99999999999999999999g", "its `memory` 99999999999999999999g is more than any machine has"),
    ("memory", "9" * 5000, "is no size; write 16g or 512m"),
    ("memory", "101%", "its `memory` 101% is more than the machine has"),
    ("memory", "10m", "its `memory` 10m is less than 256m"),
    ("memory", "", "is no size; write 16g or 512m"),
    ("memory", "-1", "-1 is no size"),
    ("memory", "\u0661g", "is no size"),
    ("shm_size", "999999g", "its `shm_size` 999999g is more than any machine has"),
    ("shm_size", "50%", "its `shm_size` 50% is a share, which Docker does not take"),
    ("cpus", -1, "its `cpus` -1 is not from 0.01"),
    ("cpus", "nan", "its `cpus` nan is not from 0.01"),
    ("port", 0, "its `port` 0 is none; write one from 1 to 65535"),
    ("port", "99999", "its `port` 99999 is none"),
    ("image", "", "its `image` (empty) cannot name one"),
    ("image", "a b", "its `image` a b cannot name one"),
    ("image", "KERAS:x", "its `image` KERAS:x cannot name one"),
    ("user", "", "its `user` is empty"),
    ("bind_address", "lab01", "its `bind_address` lab01 is no IP address"),
    ("workdir", "notebooks", "its `workdir` notebooks is not an absolute path"),
    ("home", "$HOME", "its `home` $HOME is not an absolute path"),
    ("gpus", "All", "All is no GPU: write auto, all, none"),
    ("gpus", -1, "-1 is no GPU"),
    ("gpus", True, "True is no GPU"),
    ("gpus", ["all", "0"], "all and single GPUs exclude each other"),
    ("environment", {"A": "x\0"}, "A of its `environment` has a character that Docker refuses"),
    ("environment", {"A": "\ud800"}, "A of its `environment` has a character that Docker refuses"),
    ("environment", {"A": "x" * 70_000}, "A of its `environment` has more than 60000 bytes"),
    ("environment", {f"A{n}": "x" * 50_000 for n in range(30)}, "with which no program starts"),
    ("environment", {"A": "x\r"}, "Docker cannot pass on 'A'"),
    ("environment", {"A B": "x"}, "Docker cannot pass on 'A B'"),
    ("environment", {"NVIDIA_VISIBLE_DEVICES": "all"}, "sets NVIDIA_VISIBLE_DEVICES, which the role sets itself"),
    ("environment", {"PATH": "/x"}, "sets PATH, with which the image's server may not start"),
    ("environment", {"LD_PRELOAD": "x.so"}, "sets LD_PRELOAD, with which"),
    ("environment", {"JUPYTER_CONFIG_DIR": "/src"}, "sets JUPYTER_CONFIG_DIR, with which"),
]


@pytest.mark.parametrize(("key", "value", "expected"), RANGES)
def test_values_out_of_range(key: str, value: t.Any, expected: str) -> None:
    found = problems_of({**GOOD, key: value})
    assert any(expected in problem for problem in found), found


TEXTS: list[tuple[str, str, t.Any]] = [
    ("enabled", "false", False),
    ("enabled", "no", False),
    ("enabled", "Yes", True),
    ("port", "8889", 8889),
    ("cpus", "0.5", 0.5),
    ("pids_limit", " 512 ", 512),
    ("cull_idle_minutes", "12", 12),
    ("gpus", "0,1", ("0", "1")),
    ("gpus", "none", ()),
]


@pytest.mark.parametrize(("key", "value", "typed"), TEXTS)
def test_text_of_an_inventory_or_a_command_line(key: str, value: str, typed: t.Any) -> None:
    assert problems_of({**GOOD, key: value}) == []
    assert getattr(Settings.parse({**GOOD, key: value}), key) == typed


@pytest.mark.parametrize(
    "image",
    ["keras:cpu", "keras", "Lab.example.org:5000/keras:cpu-391f194084ab", "a/b/c@sha256:" + "0" * 64, "sha256:0123abc"],
)
def test_images_that_can_be_named(image: str) -> None:
    assert problems_of({**GOOD, "image": image}) == []


# Of all sorts, and near to what is meant.
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()), max_size=40)
    | st.sampled_from([row[1] for row in TYPES + RANGES] + [row[1] for row in TEXTS])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*GOOD, "more"]), VALUES, min_size=1, max_size=4))
def test_no_value_ends_in_a_traceback(changed: dict[str, t.Any]) -> None:
    """And what is accepted can be written to settings.json and be told to Docker."""
    raw = {**GOOD, **changed}
    found = problems_of(raw)
    if found:
        assert all(
            "keras" in problem or "Instance" in problem or "`" in problem or " is no" in problem for problem in found
        )
        return
    instance = Settings.parse(json.loads(json.dumps(raw)))
    assert instance == Settings.parse(raw)
    for option in container_options(instance, ADA, "1000"):
        assert "\0" not in option
        assert option.encode()
    with environment_file(instance.environment) as descriptor:
        assert descriptor > 2


@pytest.mark.parametrize(
    ("changed", "shown"),
    [
        ({"home": "~"}, ["`home` /home/ada holds the home of ada"]),
        ({"workdir": "/home"}, ["`workdir` /home holds the home of ada"]),
        ({"workdir": "/"}, ["`workdir` / holds the home of ada"]),
        ({"workdir": "~/", "home": "/home//ada"}, ["`workdir` /home/ada/ and its `home` /home//ada holds"]),
        ({"workdir": "/home/ad"}, []),
        ({}, []),
    ],
)
def test_a_notebook_that_has_the_home_of_its_user(changed: dict[str, t.Any], shown: list[str]) -> None:
    advice = preflight.home_advice(Settings.parse({**GOOD, **changed}), ADA)
    assert all(expected in said for expected, said in zip(shown, advice, strict=True))


def test_members_of_docker_without_a_notebook_are_named() -> None:
    ada, grace = (Settings.parse({**GOOD, "name": user, "user": user}) for user in ("ada", "grace"))
    (said,) = preflight.neighbour_advice([ada, grace], {"ada", "zoe", "bob"})
    assert said.startswith("bob, zoe may use Docker Engine, which equals being root")
    assert not preflight.neighbour_advice([ada, grace], {"ada", "grace"})
    assert not preflight.neighbour_advice([ada], {"zoe"})
