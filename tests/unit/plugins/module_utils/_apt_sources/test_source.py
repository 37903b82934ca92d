# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.gpulab.workstation.plugins.module_utils._apt_sources import entries, source
from ansible_collections.gpulab.workstation.tests.unit.plugins.module_utils._apt_sources import keys

ARMORED = keys.ONE.encode()


def make(**changes: object) -> source.Source:
    whole = source.Source(
        uri="https://download.docker.com/linux/debian",
        suites=["trixie"],
        components=["stable"],
        architectures=["amd64"],
        keyring="/etc/apt/keyrings/docker.asc",
        key_origin="https://download.docker.com/linux/debian/gpg",
    )
    return whole._replace(**changes)  # type: ignore[arg-type]


def test_rendered_source() -> None:
    assert source.render(make()) == (
        "# Written by Ansible (gpulab.workstation.apt_source).\n"
        "# Key: https://download.docker.com/linux/debian/gpg\n"
        "Types: deb\n"
        "URIs: https://download.docker.com/linux/debian\n"
        "Suites: trixie\n"
        "Components: stable\n"
        "Architectures: amd64\n"
        "Signed-By: /etc/apt/keyrings/docker.asc\n"
    )


def test_flat_repository_for_all_architectures_leaves_fields_out() -> None:
    text = source.render(make(suites=["./"], components=[], architectures=[]))
    assert "Components" not in text
    assert "Architectures" not in text


def test_what_is_written_can_be_read() -> None:
    text = source.render(make())
    assert source.key_origin_in(text) == "https://download.docker.com/linux/debian/gpg"
    assert [entry.line for entry in entries.find(text, True, [make().uri])] == [3]


def test_files_of_others_have_no_key_origin() -> None:
    assert source.key_origin_in("Types: deb\nURIs: https://example.org\n") is None


def test_keys_given_as_text_are_told_apart() -> None:
    assert source.inline_origin("a") == source.inline_origin("a")
    assert source.inline_origin("a") != source.inline_origin("b")


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        (ARMORED, None),
        (b"Comment before\n" + ARMORED, None),
        (b"", "empty"),
        (b" \n", "empty"),
        (b"\x99\x02\x0d\x04X\xad\xda*", "binary keyring"),
        (b"<!DOCTYPE html><title>Log in to the campus network</title>", "<!DOCTYPE html>"),
    ],
)
def test_problems_with_keys(key: bytes, problem: str | None) -> None:
    found = source.problem_with_key(key)
    assert (found is None) == (problem is None)
    assert (problem or "") in (found or "")
