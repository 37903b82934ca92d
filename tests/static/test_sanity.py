# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-test sanity: every test that applies, on every Python that is installed, without an ignore file.

It wants a real .../ansible_collections/gpulab/workstation, so it gets a copy; and it downloads the installer of pip, so it
gets one that needs no download. Its virtual environments are kept in .cache/sanity, which saves a minute.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import ansible_test
import pytest
from ansible_collections.gpulab.workstation.tests.static.tree import ENVIRONMENT, ROOT, files, run

CACHE = ROOT / ".cache" / "sanity"
HOME = CACHE / "home"
BIN = CACHE / "bin"


@pytest.fixture
def copy() -> Path:
    """What a commit would hold, without the link, which ansible-test takes for a loop."""
    tree = CACHE / "ansible_collections" / "gpulab" / "workstation"
    shutil.rmtree(tree, ignore_errors=True)
    for path in files():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, tree / path)
    run("git", "init", "--quiet", cwd=tree)
    run("git", "add", "--all", cwd=tree)
    return tree


@pytest.fixture
def home() -> Path:
    """A home of its own: nothing is left in the user's, and pip is configured as there."""
    stub = HOME / ".ansible" / "test" / "cache"
    stub.mkdir(parents=True, exist_ok=True)
    source = (Path(ansible_test.__file__).parent / "_internal" / "python_requirements.py").read_text()
    versions = set(re.findall(r"\bpip='([\d.]+)'", source))
    assert versions, "ansible-test no longer says which installer of pip it wants where this test looks"
    for version in versions:
        (stub / f"get_pip_{version.replace('.', '_')}.py").write_text("import ensurepip\n\nensurepip.bootstrap()\n")
    for name in (".config/pip", ".pip"):
        link, target = HOME / name, Path.home() / name
        if target.exists() and not link.exists():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(target)
    return HOME


@pytest.fixture
def pythons() -> list[str]:
    """Every Python that runs, put first in PATH: pyenv's stand-ins fail for a version that is not selected."""
    environment = dict(ENVIRONMENT)
    if shutil.which("pyenv"):
        environment["PYENV_VERSION"] = run("pyenv", "versions", "--bare").replace("\n", ":").strip(":")
    shutil.rmtree(BIN, ignore_errors=True)
    BIN.mkdir(parents=True)
    for minor in range(8, 20):
        command = [f"python3.{minor}", "-c", "import sys; print(getattr(sys, '_base_executable', sys.executable))"]
        if shutil.which(command[0]):
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            if done.returncode == 0:
                (BIN / command[0]).symlink_to(done.stdout.strip())
    return sorted((path.name for path in BIN.iterdir()), key=lambda name: int(name.split(".")[1]))


@pytest.mark.slow
def test_sanity(copy: Path, home: Path, pythons: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    path = f"{BIN}{os.pathsep}{ENVIRONMENT['PATH']}"
    output = run("ansible-test", "sanity", "--color", "no", cwd=copy, HOME=str(home), PATH=path)
    tests = list(dict.fromkeys(re.findall(r'Running sanity test "([\w-]+)"', output)))
    with capfd.disabled():
        print(f"\nansible-test sanity with {', '.join(pythons)}:\n  {' '.join(tests)}")
    assert {"compile", "import", "validate-modules", "pylint", "shellcheck"} <= set(tests), output
    assert not (skipped := re.findall(r"Skipping sanity test.*", output)), skipped


def test_nothing_is_ignored() -> None:
    assert not [str(path) for path in files() if path.is_relative_to("tests/sanity")]
