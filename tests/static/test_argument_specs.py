# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A role's defaults and its argument_specs are two views of one thing, and say the same."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.gpulab.workstation.tests.static.tree import ROLES, ROOT, files, text

Spec = Mapping[str, Any]


class Role:
    """What a role says of its variables, and where it says it."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self.defaults_path = (path / "defaults" / "main.yml").relative_to(ROOT)
        self.specs_path = (path / "meta" / "argument_specs.yml").relative_to(ROOT)
        self.defaults: dict[str, Any] = yaml.safe_load(text(self.defaults_path)) or {}
        entry_points = yaml.safe_load(text(self.specs_path))["argument_specs"]
        self.options: dict[str, Spec] = entry_points["main"].get("options") or {}
        self.entry_points: dict[str, Spec] = entry_points


@pytest.fixture(params=ROLES, ids=lambda path: path.name)
def role(request: pytest.FixtureRequest) -> Role:
    return Role(request.param)


def within(options: Mapping[str, Spec], prefix: str = "") -> Iterator[tuple[str, Spec]]:
    """Every option with its path, the options inside options too."""
    for name, spec in options.items():
        yield prefix + name, spec
        yield from within(spec.get("options") or {}, f"{prefix}{name}.")


def test_every_default_is_specified(role: Role) -> None:
    missing = sorted(role.defaults.keys() - role.options.keys())
    assert not missing, f"{role.specs_path} lacks what {role.defaults_path} has: {', '.join(missing)}"


def test_every_option_has_a_default(role: Role) -> None:
    """One that is required has none, because a default would satisfy the check."""
    for name, spec in role.options.items():
        if spec.get("required"):
            assert name not in role.defaults, f"{name} is required in {role.specs_path}, but has a default"
        else:
            assert name in role.defaults, f"{name} of {role.specs_path} is missing in {role.defaults_path}"


def test_defaults_are_equal(role: Role) -> None:
    for name in role.options.keys() & role.defaults.keys():
        here, there = role.options[name].get("default"), role.defaults[name]
        # Not only equal: to Python, 1 is True.
        same = here == there and type(here) is type(there)
        assert same, f"{name} is {here!r} in {role.specs_path}, and {there!r} in {role.defaults_path}"


def test_every_option_has_a_type_and_a_description(role: Role) -> None:
    for entry_point, specification in role.entry_points.items():
        assert specification.get("short_description"), f"{role.specs_path}: {entry_point} has no short_description"
        for name, spec in within(specification.get("options") or {}):
            where = f"{name} of {role.specs_path}"
            assert spec.get("type"), f"{where} has no type"
            assert spec.get("description"), f"{where} has no description"
            if spec["type"] == "list":
                assert spec.get("elements"), f"{where} is a list of what? It has no `elements`"


def test_defaults_satisfy_their_specification(role: Role) -> None:
    """As far as they are values; templates are only known at run time."""
    for name, value in role.defaults.items():
        choices = role.options.get(name, {}).get("choices")
        if choices and "{{" not in str(value):
            # Of a list, they are for its elements.
            odd = [one for one in (value if isinstance(value, list) else [value]) if one not in choices]
            assert not odd, f"{name} in {role.defaults_path} has {odd}, not one of {choices}"


def test_names(role: Role) -> None:
    strangers = [name for name in role.options.keys() | role.defaults.keys() if not name.startswith(f"{role.name}_")]
    assert not strangers, f"a variable of the role {role.name} starts with {role.name}_: {', '.join(strangers)}"


def test_every_default_has_a_comment(role: Role) -> None:
    """Of its own, or with those right below it that one cannot explain without the other."""
    for paragraph in re.split(r"\n\s*\n", text(role.defaults_path)):
        if found := re.search(r"^(\w+):", paragraph, re.M):
            assert re.match(r"#|---\n#", paragraph), (
                f"{role.defaults_path}: say above {found[1]} what breaks when it is changed, with an example"
            )


def test_nobody_uses_another_roles_internals(role: Role) -> None:
    """What one role must know of another is a public variable, or a fact that a module returned."""
    own = Path("roles", role.name)
    # The names of the role docker_desktop begin as those of the role docker do.
    longer = "|".join(other.name for other in ROLES if other.name.startswith(f"{role.name}_")) or "(?!)"
    internal = re.compile(rf"\b__(?!(?:{longer})_){role.name}_\w+")
    for path in files():
        if path.suffix in {".yml", ".j2"} and not path.is_relative_to(own):
            assert not (found := internal.search(text(path))), (
                f"{path} uses {found[0]}, internal to the role {role.name}"
            )
