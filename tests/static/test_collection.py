# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The clone is the collection, and what galaxy.yml builds of it is whole and nothing more."""

from __future__ import annotations

import re
import tarfile
from configparser import ConfigParser
from pathlib import Path, PurePosixPath

import pytest
import yaml
from ansible_collections.gpulab.workstation.tests.static.tree import ROOT, attempt, run

LINK = Path("collections/ansible_collections/gpulab/workstation")
# To be checked by one process: most of its time is its start.
PLAYBOOKS = sorted(f"gpulab.workstation.{path.stem}" for path in ROOT.glob("playbooks/*.yml"))
(ANSIBLE_CFG,) = re.findall(r"^```ini\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)
# What a reader of the installed collection has a use for; the rest belongs to a clone.
CONTENTS = {
    "CHANGELOG.md",
    "FILES.json",
    "LICENSE",
    "MANIFEST.json",
    "README.md",
    "SECURITY.md",
    "changelogs",
    "docs",
    "meta",
    "playbooks",
    "plugins",
    "requirements.txt",
    "requirements.yml",
    "roles",
    "site.yml",
}


def test_the_link_leads_to_the_root() -> None:
    assert run("git", "ls-files", "--stage", LINK).startswith("120000 "), f"git does not have {LINK} as a link"
    assert (ROOT / LINK).resolve() == ROOT


def test_playbooks_are_found_in_the_clone() -> None:
    run("ansible-playbook", "site.yml", *PLAYBOOKS, "--syntax-check")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("build")
    run("ansible-galaxy", "collection", "build", "--output-path", folder)
    version = yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"]
    return folder / f"gpulab-workstation-{version}.tar.gz"


def test_archive_holds_the_collection(archive: Path) -> None:
    with tarfile.open(archive) as tar:
        names = [PurePosixPath(member.name) for member in tar]
    top = {name.parts[0] for name in names}
    assert sorted(top - CONTENTS) == [], "name them in galaxy.yml's build_ignore, or in CONTENTS if a reader needs them"
    assert {"playbooks", "plugins", "roles", "meta", "README.md", "LICENSE"} <= top
    assert not [str(name) for name in names if "__pycache__" in name.parts]


def test_archive_can_be_installed(archive: Path, tmp_path: Path) -> None:
    """From the file alone, with the README's ansible.cfg; what it depends on comes with the PyPI package `ansible`."""
    elsewhere = {"ANSIBLE_COLLECTIONS_PATH": str(tmp_path), "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg")}
    (tmp_path / "ansible.cfg").write_text(ANSIBLE_CFG)
    run("ansible-galaxy", "collection", "install", archive, "-p", tmp_path, "--offline", cwd=tmp_path, env=elsewhere)
    run("ansible-playbook", *PLAYBOOKS, "--syntax-check", cwd=tmp_path, env=elsewhere)
    (tmp_path / "lab.yml").write_text("workstations: {hosts: {lab01: {ansible_connection: local}}}")
    tunnel = ("ansible-playbook", "-i", "lab.yml", "gpulab.workstation.tunnel")
    said = attempt(*tunnel, cwd=tmp_path, env=elsewhere).stdout
    assert "\nlab01 failed, Refuse what it cannot do: " in said.partition("\nSUMMARY ")[2], said


def test_the_readme_has_its_lines_from_the_clones_ansible_cfg() -> None:
    readers, clones = ConfigParser(), ConfigParser()
    readers.read_string(ANSIBLE_CFG)
    clones.read(ROOT / "ansible.cfg")
    for name in readers.sections():
        assert readers[name].items() <= clones[name].items(), name
