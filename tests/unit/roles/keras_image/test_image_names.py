# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tag of the image is the hash of every input and of nothing else; versions expire, others' images do not."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROLE = Path(__file__).resolve().parents[4] / "roles" / "keras_image"
BOOTSTRAP: dict[str, Any] = {"keras_image_base_source": "bootstrap"}
PACKAGES: dict[str, Any] = {"keras_image_extra_packages": ["seaborn", "tqdm"]}
INPUTS = [
    name.replace("{{ keras_image_variant }}", "cpu")
    for name in yaml.safe_load((ROLE / "vars/main.yml").read_text())["__keras_image_files"]
]


class Role:
    """The role's variables, evaluated by Ansible."""

    def __init__(self, evaluator: subprocess.Popen[str]) -> None:
        self.evaluator = evaluator
        self.path = ROLE

    def evaluate(self, name: str, **given: Any) -> Any:
        assert self.evaluator.stdin
        assert self.evaluator.stdout
        self.evaluator.stdin.write(json.dumps({"role": str(self.path), "name": name, "given": given}) + "\n")
        self.evaluator.stdin.flush()
        return json.loads(self.evaluator.stdout.readline())

    def reference(self, **given: Any) -> str:
        return str(self.evaluate("__keras_image_reference", **given))

    def expired(self, images: list[str], **given: Any) -> list[str]:
        """What would be removed of these images, newest first; ``REFERENCE`` and ``PLAIN`` are the wanted ones."""
        wanted = {"REFERENCE": self.reference(**given), "PLAIN": self.evaluate("__keras_image_plain", **given)}
        lines = [f"{wanted.get(image, image)} sha256:{number:064}" for number, image in enumerate(images)]
        return list(self.evaluate("__keras_image_expired", __keras_image_list={"stdout_lines": lines}, **given))


@pytest.fixture(scope="module")
def evaluator() -> Iterator[subprocess.Popen[str]]:
    program = Path(__file__).with_name("evaluate.py")
    with subprocess.Popen(
        [sys.executable, str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process


@pytest.fixture
def role(evaluator: subprocess.Popen[str]) -> Role:
    return Role(evaluator)


@pytest.fixture
def copied_role(role: Role, tmp_path: Path) -> Role:
    role.path = Path(shutil.copytree(ROLE, tmp_path / "keras_image"))
    return role


def test_reference_names_the_variant_and_a_hash(role: Role) -> None:
    assert re.fullmatch(r"keras:cpu-[0-9a-f]{12}", role.reference())
    assert re.fullmatch(r"keras:gpu-[0-9a-f]{12}", role.reference(keras_image_variant="gpu"))


@pytest.mark.parametrize(
    ("given", "changed"),
    [
        ({}, {"keras_image_variant": "gpu"}),
        ({}, {"keras_image_backend": "jax"}),
        ({}, {"keras_image_base": "registry.lab.example/debian:trixie-slim"}),
        ({}, {"keras_image_revision": "2026-11"}),
        ({}, PACKAGES),
        ({}, BOOTSTRAP),
        (BOOTSTRAP, {"keras_image_bootstrap_suite": "bookworm"}),
        (BOOTSTRAP, {"keras_image_bootstrap_mirror": "http://mirror.lab.example/debian"}),
        (BOOTSTRAP, {"keras_image_bootstrap_security_mirror": "http://mirror.lab.example/security"}),
        (PACKAGES, {"keras_image_extra_packages": ["seaborn", "tqdm>=4"]}),
        (PACKAGES, {"keras_image_revision": "2026-11"}),
    ],
    ids=str,
)
def test_input_changes_the_tag(role: Role, given: dict[str, Any], changed: dict[str, Any]) -> None:
    assert role.reference(**given) != role.reference(**{**given, **changed})


@pytest.mark.parametrize(
    ("given", "changed"),
    [
        ({}, {"keras_image_bootstrap_suite": "bookworm"}),
        (BOOTSTRAP, {"keras_image_base": "registry.lab.example/debian:trixie-slim"}),
        (PACKAGES, {"keras_image_extra_packages": ["tqdm", "seaborn", "tqdm"]}),
        (
            {},
            {
                "keras_image_build_ca_bundle": "",
                "keras_image_build_network": "default",
                "keras_image_http_proxy": "http://proxy.lab.example:3128",
                "keras_image_index_url": "https://mirror.lab.example/simple",
                "keras_image_keep": 9,
            },
        ),
    ],
    ids=str,
)
def test_what_is_no_input_does_not(role: Role, given: dict[str, Any], changed: dict[str, Any]) -> None:
    assert role.reference(**given) == role.reference(**{**given, **changed})


@pytest.mark.parametrize("name", [*INPUTS, "packages.Dockerfile"])
def test_file_changes_the_tag(copied_role: Role, name: str) -> None:
    before = copied_role.reference(**PACKAGES)
    with (copied_role.path / "files" / name).open("a") as file:
        file.write("\n")
    assert copied_role.reference(**PACKAGES) != before


def test_requirements_of_the_other_variant_do_not(copied_role: Role) -> None:
    before = copied_role.reference()
    (copied_role.path / "files/requirements/gpu.txt").write_text("")
    assert copied_role.reference() == before


def test_all_that_is_copied_into_the_image_is_an_input() -> None:
    dockerfile = (ROLE / "files/Dockerfile").read_text().replace("${VARIANT}", "cpu")
    copied = {name for line in re.findall(r"^COPY (?!--)(.*) \S+$", dockerfile, re.M) for name in line.split()}
    assert copied == {Path(name).name for name in INPUTS} - {"Dockerfile"}


A, B, C = ("keras:cpu-" + 12 * digit for digit in "abc")


@pytest.mark.parametrize(
    ("keep", "images", "removed"),
    [
        (3, ["REFERENCE", A, B], []),
        (3, ["REFERENCE", A, B, C], [C]),
        (2, [A, B, "REFERENCE"], [B]),
        (1, ["REFERENCE", A, B], [A, B]),
        (0, ["REFERENCE", A], [A]),
        (1, ["REFERENCE", "keras:gpu-aaaaaaaaaaaa", "keras:cpu", "keras:cpu-mine"], []),
    ],
)
def test_versions_expire(role: Role, keep: int, images: list[str], removed: list[str]) -> None:
    assert role.expired(images, keras_image_keep=keep) == removed


def test_plain_image_stays_beside_one_with_packages(role: Role) -> None:
    assert role.expired(["REFERENCE", A, "PLAIN"], keras_image_keep=1, **PACKAGES) == [A]


def test_older_bases_expire(role: Role) -> None:
    base = role.evaluate("__keras_image_base", **BOOTSTRAP)
    others = ["gpulab/base:trixie-aaaaaaaaaaaa", "gpulab/base:bookworm-aaaaaaaaaaaa"]
    assert role.expired([base, *others], **BOOTSTRAP) == others


@pytest.mark.parametrize(
    ("variables", "sources"),
    [
        ({}, ["deb http://own/debian trixie main", "deb http://own/security trixie-security main"]),
        ({"keras_image_bootstrap_suite": "sid"}, ["deb http://own/debian sid main"]),
        (
            {"keras_image_bootstrap_mirror": "http://lab/debian"},
            ["deb http://lab/debian trixie main", "deb http://own/security trixie-security main"],
        ),
    ],
)
def test_base_comes_from_the_mirrors_of_the_host(role: Role, variables: dict[str, Any], sources: list[str]) -> None:
    lines = ["http://third.example/party Party", "http://own/debian Debian", "http://own/security Debian-Security"]
    found = role.evaluate("__keras_image_sources", __keras_image_apt_targets={"stdout_lines": lines}, **variables)
    assert found == sources


def test_passwords_are_in_no_argument(role: Role) -> None:
    settings = {
        "keras_image_https_proxy": "http://ada:secret@proxy.lab.example:3128",
        "keras_image_index_url": "https://ada:secret@mirror.lab.example/simple",
    }
    for command in ("__keras_image_build_command", "__keras_image_packages_command"):
        arguments = role.evaluate(command, **settings, **PACKAGES)
        assert "--build-arg=HTTPS_PROXY" in arguments
        assert "secret@" not in " ".join(arguments)
    assert (
        role.evaluate("__keras_image_build_environment", **settings)["HTTPS_PROXY"]
        == settings["keras_image_https_proxy"]
    )
