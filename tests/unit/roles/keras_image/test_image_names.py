# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tag of the image is the hash of every input and of nothing else; versions expire, others' images do not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.gpulab.workstation.tests.unit.roles.keras_image.role import ROLE, Role

BOOTSTRAP: dict[str, Any] = {"keras_image_base_source": "bootstrap"}
PACKAGES: dict[str, Any] = {"keras_image_extra_packages": ["seaborn", "tqdm"]}
LOCKS = ["extras", "jax-cpu", "jax-gpu", "torch-cpu", "torch-gpu"]
INPUTS = [
    name.replace("{{ __keras_image_lock }}", "cpu")
    for name in yaml.safe_load((ROLE / "vars/main/image.yml").read_text())["__keras_image_files"]
]


def test_reference_names_the_variant_and_a_hash(role: Role) -> None:
    assert re.fullmatch(r"keras:cpu-[0-9a-f]{12}", role.reference())
    assert re.fullmatch(r"keras:gpu-[0-9a-f]{12}", role.reference(keras_image_variant="gpu"))


@pytest.mark.parametrize(
    ("given", "changed"),
    [
        ({}, {"keras_image_variant": "gpu"}),
        ({}, {"keras_image_backend": "jax"}),
        ({"keras_image_backend": "jax"}, {"keras_image_backend": "torch"}),
        ({"keras_image_backend": "jax"}, {"keras_image_variant": "gpu"}),
        ({}, {"keras_image_extras": True}),
        ({"keras_image_http_proxy": "http://proxy.lab.example:3128"}, {"keras_image_keep_proxy": True}),
        (
            {"keras_image_http_proxy": "http://proxy.lab.example:3128", "keras_image_keep_proxy": True},
            {"keras_image_no_proxy": "lab.example"},
        ),
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
        ({}, {"keras_image_keep_proxy": True}),
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


@pytest.mark.parametrize("name", [*(f"files/{name}" for name in INPUTS), "templates/layer.Dockerfile.j2"])
def test_file_changes_the_tag(copied_role: Role, name: str) -> None:
    before = copied_role.reference(**PACKAGES)
    with (copied_role.path / name).open("a") as file:
        file.write("# another\n")
    assert copied_role.reference(**PACKAGES) != before


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_of_a_layer_changes_its_tag_alone(copied_role: Role, lock: str) -> None:
    backend, _dash, variant = lock.partition("-")
    given: dict[str, Any] = {"keras_image_backend": backend, "keras_image_variant": variant}
    if lock == "extras":
        given = {"keras_image_extras": True}
    before = copied_role.reference(**given), copied_role.evaluate("__keras_image_plain", **given)
    (copied_role.path / f"files/requirements/{lock}.txt").write_text("")
    assert copied_role.evaluate("__keras_image_plain", **given) == before[1]
    assert copied_role.reference(**given) != before[0]


@pytest.mark.parametrize("variable", ["keras_image_requirements_file", "keras_image_ca_certificates"])
def test_file_of_the_controller_changes_the_tag(role: Role, tmp_path: Path, variable: str) -> None:
    file = tmp_path / "file"
    given: dict[str, Any] = {variable: str(file) if variable.endswith("file") else [str(file)]}
    tags = {role.reference()}
    for text in ("one\n", "two\n"):
        file.write_text(text)
        tags.add(role.reference(**given))
    assert len(tags) == 3


def test_a_file_that_is_not_there_is_named_with_its_variable(role: Role, tmp_path: Path) -> None:
    there, gone = tmp_path / "there.pem", tmp_path / "gone.pem"
    there.write_text("")
    given: dict[str, Any] = {"keras_image_ca_certificates": [str(there)], "ansible_search_path": ["/lab"]}
    assert not role.evaluate("__keras_image_missing_files", **given).strip()
    given |= {"keras_image_requirements_file": "nope.txt", "keras_image_ca_certificates": [str(there), str(gone)]}
    said = role.evaluate("__keras_image_missing_files", **given).split()
    assert " ".join(said) == (
        "keras_image_requirements_file names nope.txt, and this controller has no such file, or may not read it. It was"
        " looked for beside the playbook, in /lab and its `files`; write the whole path."
        f" keras_image_ca_certificates names {gone}, and this controller has no such file, or may not read it."
    )


@pytest.mark.parametrize(
    ("variant", "backend", "lock", "layer"),
    [
        ("cpu", "tensorflow", "cpu", []),
        ("gpu", "tensorflow", "gpu", []),
        ("cpu", "jax", "cpu", ["jax-cpu"]),
        ("gpu", "jax", "cpu", ["jax-gpu"]),
        ("gpu", "torch", "cpu", ["torch-gpu"]),
    ],
)
def test_one_back_end_has_cuda(role: Role, variant: str, backend: str, lock: str, layer: list[str]) -> None:
    given = {"keras_image_variant": variant, "keras_image_backend": backend}
    assert role.evaluate("__keras_image_lock", **given) == lock
    assert role.evaluate("__keras_image_locks", **given) == layer
    assert role.evaluate("__keras_image_locks", **given, keras_image_extras=True) == [*layer, "extras"]


def pins(name: str) -> dict[str, set[str]]:
    """The versions of each package in a lock; some depend on the version of Python."""
    found: dict[str, set[str]] = {}
    for line in (ROLE / f"files/requirements/{name}.txt").read_text().splitlines():
        if pin := re.match(r"([a-z0-9.-]+)(?:\[.*\])?==(\S+)", line):
            found.setdefault(pin[1], set()).add(pin[2])
    return found


@pytest.mark.parametrize("lock", ["gpu", *LOCKS])
def test_nothing_locked_moves(lock: str) -> None:
    own = pins(lock)
    assert own
    for below in {"cpu", "extras"} - {lock} if lock != "gpu" else {"cpu"}:
        held = pins(below)
        assert {name: own[name] for name in own.keys() & held} == {name: held[name] for name in own.keys() & held}


@pytest.mark.parametrize("lock", ["tools", "cpu", "gpu", *LOCKS])
def test_every_pin_has_a_hash_and_no_index(lock: str) -> None:
    text = (ROLE / f"files/requirements/{lock}.txt").read_text()
    assert "://" not in text
    for requirement in re.split(r"\n(?=[a-z])", re.sub(r"^#.*\n", "", text, flags=re.M)):
        assert "--hash=sha256:" in requirement, requirement


def test_layer_keeps_what_it_is_told_to(role: Role) -> None:
    proxy = {"keras_image_https_proxy": "http://ada:pa$$word@proxy.lab.example:3128"}
    layer = role.evaluate("__keras_image_layer_files", **proxy, **PACKAGES)
    assert "proxy" not in layer["Dockerfile"].split("USER root")[-1].replace("a proxy.", "")
    assert "authorities" not in layer["Dockerfile"]
    kept = role.evaluate("__keras_image_layer_files", **proxy, keras_image_keep_proxy=True)["Dockerfile"]
    url = r'"http://ada:pa\$\$word@proxy.lab.example:3128"'
    assert f"ENV HTTPS_PROXY={url} https_proxy={url}\n" in kept


@pytest.mark.parametrize(
    ("given", "python"),
    [
        ({"keras_image_bootstrap_suite": "bullseye"}, ""),
        ({**BOOTSTRAP, "keras_image_bootstrap_suite": "bullseye"}, "3.9"),
        ({**BOOTSTRAP, "keras_image_bootstrap_suite": "sid"}, "3.14"),
        ({**BOOTSTRAP, "keras_image_bootstrap_suite": "bookworm"}, ""),
        (BOOTSTRAP, ""),
    ],
)
def test_suite_without_tensorflow_is_known(role: Role, given: dict[str, Any], python: str) -> None:
    assert role.evaluate("__keras_image_unfit_python", **given) == python


@pytest.mark.parametrize(
    ("output", "progress", "words"),
    [
        ("running\n", "its first step", []),
        (
            "running\n#7 [builder 3/5] RUN --mount=type=cache,target=/a     --mount=type=b pip install\n",
            "[builder 3/5] RUN pip install",
            [],
        ),
        (
            "running\n#7 [a 1/2] RUN b\n#7 21.30 Downloading x (560MiB)\n",
            "Downloading x (560MiB)",
            ["Downloading x (560MiB)"],
        ),
        ('1\n#7 0.52 no\n#7 ERROR: process "/bin/sh" did not\n', "no", ["no"]),
        ("1\n#3 ERROR: not found\n", "its first step", ["#3 ERROR: not found"]),
    ],
)
def test_build_says_what_it_is_at(role: Role, output: str, progress: str, words: list[str]) -> None:
    watch = {"stdout_lines": output.splitlines()}
    assert role.evaluate("__keras_image_build_status", __keras_image_watch=watch) == output.split("\n")[0]
    assert role.evaluate("__keras_image_build_progress", __keras_image_watch=watch) == progress
    assert role.evaluate("__keras_image_build_words", __keras_image_watch=watch) == words


def test_requirements_of_the_other_variant_do_not(copied_role: Role) -> None:
    before = copied_role.reference()
    (copied_role.path / "files/requirements/gpu.txt").write_text("")
    assert copied_role.reference() == before


def test_all_that_is_copied_into_the_image_is_an_input() -> None:
    dockerfile = (ROLE / "files/Dockerfile").read_text().replace("${LOCK}", "cpu")
    copied = {
        name
        for line in re.findall(r"^COPY (?!--from)(?:--chmod=755 )?(.*) \S+$", dockerfile, re.M)
        for name in line.split()
    }
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


def test_what_was_current_until_now_stays(role: Role) -> None:
    lines = [f"{role.reference()} sha256:0", f"{A} sha256:1", f"{B} sha256:2", "keras:cpu sha256:2", f"{C} sha256:3"]
    expired = role.evaluate("__keras_image_expired", __keras_image_list={"stdout_lines": lines}, keras_image_keep=1)
    assert expired == [A, C]


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
    for command in ("__keras_image_build_command", "__keras_image_layer_command"):
        arguments = role.evaluate(command, **settings, **PACKAGES, __keras_image_context={"path": "/context"})
        assert "--build-arg=HTTPS_PROXY" in arguments
        assert "secret@" not in " ".join(arguments)
    assert (
        role.evaluate("__keras_image_build_environment", **settings)["HTTPS_PROXY"]
        == settings["keras_image_https_proxy"]
    )
