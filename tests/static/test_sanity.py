# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-test sanity: every test that applies, on every Python that is installed, without an ignore file.

It wants a real .../ansible_collections/gpulab/workstation, so it gets a copy; and it downloads the installer of pip,
so it gets one that needs no download. Two of it run side by side, for most of its time it makes virtual environments.
They are kept in .cache/sanity, which `make clean` removes.
"""

from __future__ import annotations

import os
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import ansible_test
import pytest
from ansible_collections.gpulab.workstation.tests.static.tree import ENVIRONMENT, ROOT, attempt, files, run

CACHE = ROOT / ".cache" / "sanity"
BIN = CACHE / "bin"
LOG = CACHE / "log"
# What takes an environment of each Python, and all else. Both need only one environment, which has no packages.
HALVES = {"import": ("--test", "import"), "others": ("--skip-test", "import")}
# ansible-test removes pip again where it has used it, so it is not worth an installation, which takes 10 seconds.
GET_PIP = """
import ensurepip, glob, os, sysconfig, zipfile

places = [os.path.join(os.path.dirname(ensurepip.__file__), "_bundled"), getattr(ensurepip, "_WHEEL_PKG_DIR", None)]
wheels = [wheel for place in places if place for wheel in glob.glob(os.path.join(place, "pip-*.whl"))]
with zipfile.ZipFile(wheels[0]) as wheel:
    wheel.extractall(sysconfig.get_path("purelib"))
"""


def copy(half: str) -> Path:
    """What a commit would hold, without the link, which ansible-test takes for a loop."""
    tree = CACHE / half / "ansible_collections" / "gpulab" / "workstation"
    shutil.rmtree(tree, ignore_errors=True)
    for path in files():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, tree / path)
    run("git", "init", "--quiet", cwd=tree)
    run("git", "add", "--all", cwd=tree)
    return tree


def home(half: str) -> Path:
    """A home of its own: nothing is left in the user's, and pip is configured as there."""
    home = CACHE / half / "home"
    stub = home / ".ansible" / "test" / "cache"
    stub.mkdir(parents=True, exist_ok=True)
    source = (Path(ansible_test.__file__).parent / "_internal" / "python_requirements.py").read_text()
    versions = set(re.findall(r"\bpip='([\d.]+)'", source))
    assert versions, "ansible-test no longer says which installer of pip it wants where this test looks"
    for version in versions:
        (stub / f"get_pip_{version.replace('.', '_')}.py").write_text(GET_PIP)
    for name in (".config/pip", ".pip"):
        link, target = home / name, Path.home() / name
        if target.exists() and not link.exists():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(target)
    return home


@pytest.fixture
def pythons() -> list[str]:
    """Every Python that runs, to be put first in PATH: pyenv's stand-ins fail for a version that is not selected."""
    selected = {}
    if shutil.which("pyenv"):
        selected["PYENV_VERSION"] = run("pyenv", "versions", "--bare").strip().replace("\n", ":")
    shutil.rmtree(BIN, ignore_errors=True)
    BIN.mkdir(parents=True)
    found = []
    for name in (f"python3.{minor}" for minor in range(8, 20)):
        if shutil.which(name):
            done = attempt(name, "-c", "import sys; print(sys._base_executable)", env=selected)
            if done.returncode == 0:
                (BIN / name).symlink_to(done.stdout.strip())
                found.append(name)
    return found


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_sanity(pythons: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    path = f"{BIN}{os.pathsep}{ENVIRONMENT['PATH']}"
    places = {half: (copy(half), home(half)) for half in HALVES}

    def check(half: str) -> tuple[int, str]:
        tree, home = places[half]
        command = ("ansible-test", "sanity", "--color", "no", *HALVES[half])
        done = attempt(*command, cwd=tree, env={"HOME": str(home), "PATH": path})
        return done.returncode, done.stdout

    with ThreadPoolExecutor(len(HALVES)) as both:
        ended, said = zip(*both.map(check, HALVES), strict=True)
    LOG.write_text("".join(said))
    if any(ended):
        errors = "\n".join(re.findall(r"^(?:ERROR|FATAL): .*", "".join(said), re.M))
        pytest.fail(f"ansible-test sanity found (all that it said is in {LOG}):\n{errors}", pytrace=False)
    tests = list(dict.fromkeys(re.findall(r'Running sanity test "([\w-]+)"', "".join(said))))
    with capfd.disabled():
        print(f"\nansible-test sanity with {', '.join(pythons)}:\n  {' '.join(tests)}")
    assert {"compile", "import", "validate-modules", "pylint", "shellcheck"} <= set(tests)
    versions = {name.removeprefix("python") for name in pythons}
    for test in ("compile", "import"):
        assert set(re.findall(rf'Running sanity test "{test}" on Python ([\d.]+)', "".join(said))) == versions


def test_nothing_is_ignored() -> None:
    assert not [str(path) for path in files() if path.is_relative_to("tests/sanity")]
