# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""House rules that a program can check and no lint tool does."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from ansible_collections.gpulab.workstation.tests.static.tree import ROOT, files, text

# In pieces, because this file is searched too.
PACKAGE_HOSTS = [
    ".".join(parts)
    for parts in [
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("deb", "debian", "org"),
        ("security", "debian", "org"),
        ("archive", "ubuntu", "com"),
        ("ports", "ubuntu", "com"),
        ("security", "ubuntu", "com"),
        ("registry", "npmjs", "org"),
    ]
]
REQUIREMENTS = [path for path in files() if re.fullmatch(r".*requirements.*\.txt", path.name)]


def lines_with(pattern: str, wanted: Callable[[Path], bool] = lambda path: True) -> Iterator[str]:
    """Each line that matches, as FILE:LINE: TEXT."""
    expression = re.compile(pattern)
    for path in filter(wanted, files()):
        for number, line in enumerate(text(path).splitlines(), 1):
            if expression.search(line):
                yield f"{path}:{number}: {line.strip()}"


def is_yaml(path: Path) -> bool:
    return path.suffix in {".yml", ".yaml"}


def test_package_hosts_are_not_named() -> None:
    """Packages come from where the machine's own configuration says; a lab without internet has other hosts."""
    found = list(lines_with("|".join(map(re.escape, PACKAGE_HOSTS))))
    assert not found, "take the host of a package index or mirror from the machine's own configuration:\n" + "\n".join(
        found
    )


def test_errors_are_not_ignored() -> None:
    """What reports on machines, or cares for many, goes on where one cannot be reached: that is what it has to say."""
    goes_on = re.compile(r"_report|^maintenance\.yml$")
    found = list(lines_with(r"^[\s-]*ignore_errors\s*:", is_yaml))
    found += lines_with(r"^[\s-]*ignore_unreachable\s*:", lambda path: is_yaml(path) and not goes_on.search(path.name))
    assert not found, "use failed_when with the one error that is expected, or a rescue:\n" + "\n".join(found)


def test_templates_say_that_they_are_managed() -> None:
    """Whoever opens the file on the machine sees that the next run replaces it.

    JSON has no comments; and an image is named after all that it is made from, where that line differs between labs.
    """
    for path in files():
        if (
            path.parts[0] == "roles"
            and "templates" in path.parts
            and not path.name.endswith((".json.j2", "Dockerfile.j2"))
        ):
            assert "ansible_managed" in text(path), f"{path} lacks {{{{ ansible_managed | comment }}}}"


def test_dependencies_agree() -> None:
    """galaxy.yml is for who installs the collection, requirements.yml for who has a clone."""
    galaxy = yaml.safe_load(text(Path("galaxy.yml")))["dependencies"]
    clone = {entry["name"]: entry["version"] for entry in yaml.safe_load(text(Path("requirements.yml")))["collections"]}
    assert galaxy == clone


@pytest.mark.parametrize("path", REQUIREMENTS, ids=str)
def test_requirements_are_pinned(path: Path) -> None:
    """By hash, so that any mirror will do; without an index, so that each machine's own is used."""
    joined = text(path).replace("\\\n", "")
    pins = [line for line in joined.splitlines() if line and not line.startswith("#")]
    assert pins, f"{path} is empty"
    for pin in pins:
        assert re.match(r"[\w.\[\],-]+==[^ ]+ .*--hash=sha256:", pin), f"{path}: not a pin with hashes: {pin[:80]}"


def test_programs_have_a_first_line() -> None:
    for path in files():
        if path.suffix == ".sh" or os.access(ROOT / path, os.X_OK):
            assert text(path).startswith("#!"), f"{path} does not begin with #!"


def test_python_has_a_licence() -> None:
    """ansible-test looks at modules only."""
    for path in files():
        if path.suffix == ".py" and text(path):
            assert "SPDX-License-Identifier: GPL-3.0-or-later" in "".join(text(path).splitlines(True)[:6]), path


# Roles whose decisions have moved to Python; the others follow.
@pytest.mark.parametrize("role", ["docker", "lab_registry"])
def test_vars_hold_data_only(role: str) -> None:
    """What depends on a host is decided by a plan, which a plain test reaches."""
    condition = r"{%|\bif\b.*\belse\b|\bternary\b|\b(select|reject)(attr)?\(| (==|!=|<|>|and|or|not|in) .*}}"
    found = list(lines_with(condition, lambda path: path.parts[:3] == ("roles", role, "vars") and is_yaml(path)))
    found = [line for line in found if not line.split(": ", 1)[1].startswith("#")]
    assert not found, "decide it in plugins/plugin_utils and read the plan:\n" + "\n".join(found)
