# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a role's variables are read, by their types."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

import pytest
from ansible_collections.gpulab.workstation.plugins.plugin_utils._plan.variables import RoleVariables


@dataclass(frozen=True)
class Wished:
    number: int
    yes: bool
    text: str
    names: list[str]
    options: dict[str, str]


DEFAULTS = {"x_number": 10, "x_yes": True, "x_text": "{{ other }}", "x_names": [], "x_options": {}}


def read(**values: t.Any) -> RoleVariables[Wished]:
    given = {"host": "lab01", "defaults": DEFAULTS, "variables": {**DEFAULTS, "x_text": "computed", **values}}
    return RoleVariables(Wished, "x", given)


def test_defaults() -> None:
    found = read()
    assert found.problems == []
    assert found.record == Wished(10, True, "computed", [], {})
    # A default that is a template is not compared.
    assert found.undecided == {"number", "yes", "names", "options"}


def test_text_becomes_its_type() -> None:
    found = read(x_number="12", x_yes="no", x_text=False, x_names=[1, "b"], x_options="{'a': 1}")
    assert found.problems == []
    assert found.record == Wished(12, False, "false", ["1", "b"], {"a": "1"})


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("number", "no", "x_number of lab01 is 'no', and should be a number, such as its default, 10."),
        ("number", False, "x_number of lab01 is False, and should be a number, such as its default, 10."),
        ("yes", "12", "x_yes of lab01 is '12', and should be true or false, such as its default, True."),
        ("text", None, "x_text of lab01 is None, and should be text."),
        ("names", "no", "x_names of lab01 is 'no', and should be a list, such as its default, []."),
        ("options", "12", "x_options of lab01 is '12', and should be a dictionary, such as its default, {}."),
    ],
)
def test_a_value_of_another_type_is_a_sentence(name: str, value: t.Any, sentence: str) -> None:
    found = read(**{f"x_{name}": value})
    assert found.problems == [sentence]
    assert isinstance(found.record, Wished)
