# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variables as an INI inventory or -e hands them over: all of them text."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest
import yaml
from ansible_collections.gpulab.workstation.plugins.filter.docker_plan import docker_plan
from ansible_collections.gpulab.workstation.plugins.plugin_utils._docker.wanted import Variables, read
from ansible_collections.gpulab.workstation.tests.unit.plugins.plugin_utils._docker.host import (
    DEFAULTS,
    POOL,
    ROLE,
    TABLES,
    given,
)

OPTIONS: dict[str, t.Any] = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text())["argument_specs"][
    "main"
]["options"]


@pytest.mark.parametrize("text", ["false", "no", "12"])
@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_text_is_typed_or_refused_with_the_name(name: str, text: str) -> None:
    wanted, problems = read(given(**{name: text}))
    value = getattr(wanted.variables, name.removeprefix("docker_"))
    kind = OPTIONS[name]["type"]
    refused = kind in ("list", "dict") or (kind == "bool" and text == "12") or (kind == "int" and text != "12")
    assert len(problems) == refused
    if refused:
        assert problems[0].startswith(f"{name} of lab01 is {text!r}, and should be ")
        # No task gets the text: the role ends before its first change.
        assert type(value) is type(DEFAULTS[name])
    else:
        assert value == {"bool": False, "int": 12}.get(kind, text)


@pytest.mark.parametrize("text", ["true", "yes", "1"])
@pytest.mark.parametrize("name", sorted(name for name in OPTIONS if OPTIONS[name]["type"] == "bool"))
def test_text_for_true(name: str, text: str) -> None:
    wanted, problems = read(given(**{name: text}))
    assert problems == []
    assert getattr(wanted.variables, name.removeprefix("docker_")) is True


def test_a_refused_value_ends_the_role_before_the_first_look() -> None:
    plan = docker_plan({}, given(docker_nofile_soft="many"))
    assert plan["refused"] == [
        "docker_nofile_soft of lab01 is 'many', and should be a number, such as its default, 65536."
    ]


def test_options_as_pairs() -> None:
    wanted, problems = read(given(docker_log_options="max-size=10m,max-file=2"))
    assert problems == []
    assert wanted.variables.log_options == {"max-size": "10m", "max-file": "2"}


def test_numbers_in_text_and_text_in_numbers() -> None:
    pools = [{"base": "10.0.0.0/16", "size": "26"}]
    wanted, problems = read(
        given(docker_address_pools=pools, docker_version=28.5, docker_log_options={"max-file": 3, "compress": True})
    )
    assert problems == []
    assert wanted.variables.address_pools == [{"base": "10.0.0.0/16", "size": 26}]
    assert wanted.variables.version == "28.5"
    assert wanted.variables.log_options == {"max-file": "3", "compress": "true"}


def test_the_record_has_each_public_variable() -> None:
    fields = {f"docker_{field.name}" for field in dataclasses.fields(Variables)}
    assert fields == OPTIONS.keys() == TABLES["__docker_variables"].keys()
    for name, template in TABLES["__docker_variables"].items():
        assert template == "{{ " + name + " }}"


def test_the_first_pool_is_the_default() -> None:
    assert TABLES["__docker_address_pools"][0] == POOL


def test_a_platform_without_packages_is_refused() -> None:
    plan = docker_plan({}, {**given(), "distribution": "Fedora", "distribution_version": "42"})
    assert plan["refused"] == [
        "lab01 runs Fedora 42. The role docker supports Debian 12, Debian 13, Ubuntu 22.04, Ubuntu 24.04, Ubuntu 26.04."
    ]
