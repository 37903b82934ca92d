# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who builds, what a host does about its image, and what it says when that is not possible."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpulab.workstation.tests.unit.roles.keras_image.role import Role

WANTED, OLD = "keras:cpu-aaaaaaaaaaaa", "keras:cpu-bbbbbbbbbbbb"
PUBLISHED = f"reg01:5000/{WANTED}"
DIGEST = "sha256:" + 64 * "d"
LAB: dict[str, Any] = {
    "groups": {"all": ["reg01", "lab01", "lab02"], "registry": ["reg01"], "workstations": ["lab01", "lab02"]},
    "hostvars": {"reg01": {}, "lab01": {}, "lab02": {}},
    "keras_image_wanted": WANTED,
}
ARCHIVE: dict[str, Any] = {**LAB, "keras_image_distribution": "archive"}
BUILDER = {"inventory_hostname": "reg01"}
WORK = ("answer", "pull", "push", "load", "pack", "build")


def there(*images: str) -> dict[str, Any]:
    """What the engine lists: NAME=ID."""
    return {"__keras_image_list": {"stdout_lines": [" ".join(image.rsplit("=", 1)) for image in images]}}


def work(role: Role, **given: Any) -> set[str]:
    return {name for name in WORK if role.evaluate(f"__keras_image_needs_{name}", **given)}


@pytest.mark.parametrize(
    ("groups", "distribution", "builder", "registry"),
    [
        ({"workstations": ["lab01"]}, "build", "lab01", ""),
        ({"workstations": ["lab01"], "registry": []}, "build", "lab01", ""),
        ({"workstations": ["lab01"], "registry": ["reg01"]}, "registry", "reg01", "reg01:5000"),
        ({"registry": ["reg01"], "builder": ["big01"]}, "registry", "big01", "reg01:5000"),
        ({"workstations": ["lab01"], "builder": ["big01"]}, "build", "big01", ""),
    ],
)
def test_groups_decide(
    role: Role, groups: dict[str, list[str]], distribution: str, builder: str, registry: str
) -> None:
    given = {"groups": groups, "hostvars": {name: {} for names in groups.values() for name in names}}
    assert role.evaluate("keras_image_distribution", **given) == distribution
    assert role.evaluate("keras_image_builder", **given) == builder
    assert role.evaluate("keras_image_registry", **given) == registry
    assert role.evaluate("keras_image_push_registry", **given) == registry.replace("5000", "5001")


def test_registry_has_the_address_that_hosts_use(role: Role) -> None:
    seen = {"ansible_host": "192.0.2.5", "lab_registry_port": 443}
    given = {**LAB, "hostvars": {**LAB["hostvars"], "reg01": seen}}
    assert role.evaluate("keras_image_registry", **given) == "192.0.2.5:443"
    seen["lab_registry_host"] = "registry.lab.example"
    assert role.evaluate("keras_image_registry", **given) == "registry.lab.example:443"


def test_builder_makes_the_variants_that_are_asked_for(role: Role) -> None:
    assert role.evaluate("keras_image_builder_variants", **LAB) == ["cpu"]
    mixed = {**LAB["hostvars"], "lab02": {"keras_image_variant": "gpu"}}
    assert role.evaluate("keras_image_builder_variants", **{**LAB, "hostvars": mixed}) == ["cpu", "gpu"]
    assert role.evaluate("keras_image_builder_variants", groups={}, hostvars={}) == ["cpu"]


@pytest.mark.parametrize(
    ("given", "digest", "expected"),
    [
        # A host that has what the registry has asks nobody.
        (there(f"{WANTED}=1", f"{PUBLISHED}=1", "keras:cpu=1"), "", set()),
        (there(), DIGEST, {"answer", "pull"}),
        (there(), "", {"answer"}),
        # Made here from the same inputs, it is another image all the same.
        (there(f"{WANTED}=1", "keras:cpu=1"), DIGEST, {"answer", "pull"}),
        (there(f"{WANTED}=1", f"{PUBLISHED}=2"), DIGEST, {"answer", "pull"}),
        (BUILDER | there(), "", {"answer", "build", "push"}),
        (BUILDER | there(f"{WANTED}=1"), "", {"answer", "push"}),
        (BUILDER | there(f"{WANTED}=1", f"{PUBLISHED}=1"), "", {"answer", "push"}),
        (BUILDER | there(f"{WANTED}=1", f"{PUBLISHED}=1"), DIGEST, {"answer"}),
        # A builder that lost its disk takes what the registry has, so that the digest stays.
        (BUILDER | there(), DIGEST, {"answer", "pull"}),
    ],
)
def test_work_with_a_registry(role: Role, given: dict[str, Any], digest: str, expected: set[str]) -> None:
    answer = {"docker_content_digest": digest} if digest else {"status": 404}
    assert work(role, **LAB, __keras_image_answer=answer, **given) == expected


def test_published_image_is_not_tested_twice(role: Role) -> None:
    given = {**LAB, **BUILDER, **there(f"{WANTED}=1", "keras:cpu=1"), "__keras_image_answer": {"status": 404}}
    assert role.evaluate("__keras_image_is_current", **given)


@pytest.fixture
def archives(tmp_path: Path) -> dict[str, Any]:
    """A controller with an archive of the image with the ID 1."""
    name = WANTED.replace(":", "-")
    (tmp_path / f"{name}.tar.zst").write_text("")
    (tmp_path / f"{name}.json").write_text(json.dumps({"image_id": "1", "layers": ["a"], "size": 40, "image_size": 90}))
    return {**ARCHIVE, "keras_image_archives": str(tmp_path)}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (there(), {"load"}),
        (there(f"{WANTED}=1"), set()),
        (there(f"{WANTED}=2"), {"load"}),
        # Another kind of image store names the same layers by another ID.
        (there(f"{WANTED}=2") | {"__keras_image_inspected": {"stdout": '{"layers": ["a"]}'}}, set()),
        (there(f"{WANTED}=2") | {"__keras_image_inspected": {"stdout": '{"layers": ["b"]}'}}, {"load"}),
        (there(f"{WANTED}=2") | {"keras_image_archive": "/media/usb/x.tar.zst"}, set()),
        (BUILDER | there(), {"build", "pack"}),
        (BUILDER | there(f"{WANTED}=2"), {"pack"}),
        (BUILDER | there(f"{WANTED}=1"), set()),
        # With a stick in each host, nobody builds.
        (BUILDER | there() | {"keras_image_archive": "/media/usb/x.tar.zst"}, {"load"}),
    ],
)
def test_work_with_an_archive(role: Role, archives: dict[str, Any], given: dict[str, Any], expected: set[str]) -> None:
    assert work(role, **archives, **given) == expected


def test_record_without_its_archive_is_none(role: Role, archives: dict[str, Any]) -> None:
    for archive in Path(archives["keras_image_archives"]).glob("*.zst"):
        archive.unlink()
    assert role.evaluate("__keras_image_record", **archives) == {}


@pytest.mark.parametrize(
    ("lines", "short"),
    [
        (["/ 1000", "/ 1000"], -1),
        (["/ 200", "/ 200"], 0),
        (["/ 200", "/docker 200"], -1),
        (["/ 30", "/docker 200"], 0),
        (["/ 200", "/docker 100"], 1),
    ],
)
def test_full_disk_is_seen_beforehand(role: Role, archives: dict[str, Any], lines: list[str], short: int) -> None:
    space = {"stdout_lines": ["Mounted on Avail", *lines]}
    assert role.evaluate("__keras_image_short", **archives, **there(), __keras_image_space=space) == short


STICK = "/media/usb/keras-cpu-aaaaaaaaaaaa.tar.zst"
STAYS = "keras:cpu on lab01 is still what it was, and running notebooks go on."


@pytest.mark.parametrize(
    ("seen", "beside", "said"),
    [
        ({"exists": False}, "", f"keras_image_archive is {STICK} for lab01, and there is no such file on it."),
        (
            {"exists": True, "checksum": 64 * "b"},
            64 * "a" + "  keras.tar.zst\n",
            f"keras_image_archive is {STICK} for lab01, and its SHA-256 is not the one that lies beside it.",
        ),
        ({"exists": True, "checksum": 64 * "a"}, 64 * "a" + "  keras.tar.zst\n", ""),
        # Without a checksum, only loading it shows.
        ({"exists": True, "checksum": 64 * "b"}, "", ""),
    ],
)
def test_stick_without_a_file_or_with_a_damaged_one(role: Role, seen: dict[str, Any], beside: str, said: str) -> None:
    given = {**ARCHIVE, **there(f"{OLD}=2", "keras:cpu=2"), "keras_image_archive": STICK}
    given |= {"__keras_image_file": {"stat": seen}, "__keras_image_beside": {"stdout": beside}}
    refusal = role.says("receive", "Refuse a file that is not there, or damaged", **given)
    assert (refusal is None) == (not said)
    assert refusal is None or (refusal.startswith(said) and refusal.endswith(STAYS))


@pytest.mark.parametrize(
    ("inspected", "said"),
    [
        # What it holds is named as it is by `docker load`.
        (
            {"rc": 1, "stdout": ""},
            f"{STICK} holds {OLD}, and lab01 should have {WANTED}. reg01 makes an archive of that.",
        ),
        ({"rc": 0, "stdout": '{"layers": ["a"]}'}, ""),
    ],
)
def test_stick_with_another_version(role: Role, inspected: dict[str, Any], said: str) -> None:
    """It has no record."""
    given = {**ARCHIVE, **there(f"{OLD}=2", "keras:cpu=2"), "keras_image_archive": STICK}
    given |= {"__keras_image_inspected": inspected, "__keras_image_transfer": {"stdout": f"Loaded image: {OLD}\n"}}
    refusal = role.says("load", "Refuse another image than the wanted one", **given)
    assert refusal == (f"{said} {STAYS}" if said else None)


def test_archive_with_other_layers_than_those_that_were_packed(role: Role, archives: dict[str, Any]) -> None:
    given = {**archives, **there(), "__keras_image_inspected": {"rc": 0, "stdout": '{"layers": ["b"]}'}}
    given |= {"__keras_image_transfer": {"stdout": f"Loaded image: {WANTED}\n"}}
    said = str(role.says("load", "Refuse another image than the wanted one", **given))
    assert f"lab01 should have {WANTED} with the layers that reg01 packed" in said


@pytest.mark.parametrize(
    ("beside", "checksum"),
    [
        (64 * "a" + "  keras.tar.zst\n", 64 * "a"),
        (json.dumps({"image_id": "sha256:" + 64 * "b", "sha256": 64 * "c"}), 64 * "c"),
        ("", ""),
    ],
)
def test_checksum_beside_an_archive(role: Role, beside: str, checksum: str) -> None:
    assert role.evaluate("__keras_image_checksum", __keras_image_beside={"stdout": beside}) == checksum


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"status": 401, "msg": "HTTP Error 401"}, ["refuses the account", "--limit reg01"]),
        (
            {
                "status": -1,
                "msg": "Status code was -1 and not [200, 404]: Request failed: <urlopen error [SSL: X] certificate "
                "verify failed: unable to get local issuer certificate (_ssl.c:1029)>",
            },
            ["ca.crt (certificate verify failed: unable", "--limit reg01"],
        ),
        (
            {
                "status": -1,
                "msg": "Status code was -1 and not [200, 404]: Request failed: <urlopen error [Errno 111] Connection "
                "refused>",
            },
            ["Connection refused. See `systemctl status docker-registry` on reg01"],
        ),
    ],
)
def test_trouble_with_the_registry_says_what_to_do(role: Role, answer: dict[str, Any], words: list[str]) -> None:
    said = role.evaluate("__keras_image_registry_trouble", **LAB, __keras_image_answer=answer)
    assert all(word in said for word in words), said


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ({"rc": 124}, "did not end within 1800 s (keras_image_transfer_timeout)"),
        ({"rc": 1, "stderr_lines": ["a", "write /x: no space left on device"]}, "the disk is full (write /x"),
        ({"rc": 12, "msg": "rsync: connection unexpectedly closed"}, "rsync: connection unexpectedly closed"),
        (
            {"rc": 10, "msg": "timeout: sending signal TERM to command 'rsync'\nrsync error: error in socket IO"},
            "did not end within 1800 s (keras_image_transfer_timeout)",
        ),
        ({"rc": 1, "stderr_lines": ["manifest unknown", ""]}, "manifest unknown"),
        (
            {"msg": "No slot. Run it again.", "no_slot": True},
            "No slot. Run it again (the limit: keras_image_throttle)",
        ),
    ],
    ids=str,
)
def test_trouble_with_a_transfer_says_what_to_do(role: Role, result: dict[str, Any], words: str) -> None:
    assert words in role.evaluate("__keras_image_transfer_trouble", __keras_image_transfer=result)


def test_only_the_builder_tests_in_full(role: Role) -> None:
    assert "smoke_test.py" in role.evaluate("__keras_image_smoke_command", **LAB, **BUILDER)[-1]
    assert "import keras" in role.evaluate("__keras_image_smoke_command", **LAB)[-1]


def test_names_in_a_registry_expire_first(role: Role) -> None:
    lines = there(f"{WANTED}=1", f"{OLD}=2", f"gone:5000/{OLD}=2", "other:5000/keras:cpu=3", f"deep/er/{OLD}=4")
    assert role.evaluate("__keras_image_expired", **LAB, **lines, keras_image_keep=1) == [f"gone:5000/{OLD}", OLD]


def test_check_mode_says_what_would_happen(role: Role) -> None:
    plan = "__keras_image_plan"
    assert role.evaluate(plan, **LAB, **there()) == "would be pulled from reg01:5000"
    assert role.evaluate(plan, **LAB, **BUILDER, **there()) == "would be built and published to reg01:5000"
    assert role.evaluate(plan, **ARCHIVE, **there()).startswith("would be loaded from /lab/.gpulab/images/keras-cpu-")
    assert role.evaluate(plan, keras_image_wanted=WANTED, **there()) == "would be built"
