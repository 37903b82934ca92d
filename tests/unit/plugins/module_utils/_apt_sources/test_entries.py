# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.gpulab.workstation.plugins.module_utils._apt_sources import entries
from hypothesis import given
from hypothesis import strategies as st

URI = "https://download.docker.com/linux/debian"
OTHER = "https://deb.example/debian"
NOTE = "Switched off"


@pytest.mark.parametrize(
    "line",
    [
        f"deb {URI} trixie stable",
        f"deb-src {URI} trixie stable",
        f"  deb   {URI}/   trixie   stable  # from a how-to",
        f"deb [signed-by=/usr/share/keyrings/docker.gpg] {URI} trixie stable",
        f"deb [ arch=amd64,arm64 signed-by=/etc/apt/keyrings/docker.asc ] {URI} trixie stable",
        f"deb [arch=amd64]{URI} trixie stable",
        f"deb\t[arch=amd64]\t{URI}\ttrixie\tstable",
        f'deb "{URI}" trixie stable',
        f"deb {URI} ./",
    ],
)
def test_one_line_entries(line: str) -> None:
    text = f"# comment\n{line}\ndeb {OTHER} trixie main\n"
    assert [(entry.line, entry.text) for entry in entries.find(text, False, [URI])] == [(2, line.strip())]
    off = entries.switch_off(text, False, [URI], NOTE)
    assert off == f"# comment\n# {NOTE}: {line}\ndeb {OTHER} trixie main\n"
    assert entries.find(off, False, [URI]) == []


@pytest.mark.parametrize(
    "line",
    [
        f"# deb {URI} trixie stable",
        f"#deb {URI} trixie stable",
        f"deb {OTHER} trixie main # was {URI}",
        f"deb {URI}x trixie stable",
        f"rpm {URI} trixie stable",
        f"deb {URI}",
        "",
    ],
)
def test_lines_that_are_no_entries_of_it(line: str) -> None:
    assert entries.find(line + "\n", False, [URI]) == []
    assert entries.switch_off(line + "\n", False, [URI], NOTE) == line + "\n"


def stanza(uris: str = URI, **fields: str) -> str:
    written = {"Types": "deb", "URIs": uris, "Suites": "trixie", "Components": "stable", **fields}
    return "".join(f"{name}: {value}\n" for name, value in written.items())


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (stanza(), f"# {NOTE}:\nEnabled: no\n" + stanza()),
        (stanza(Enabled="yes"), stanza() + f"# {NOTE}:\nEnabled: no\n"),
        (stanza(uris=f"{OTHER} {URI}/"), stanza().replace(f"URIs: {URI}", f"# {NOTE}:\nURIs: {OTHER}")),
        (stanza(uris=f"\n {OTHER}\n {URI}"), stanza().replace(f"URIs: {URI}", f"# {NOTE}:\nURIs: {OTHER}")),
    ],
    ids=["bare", "enabled", "one of two", "folded"],
)
def test_deb822_entries(before: str, after: str) -> None:
    others = f"# a comment\n\n{stanza(uris=OTHER)}\n"
    assert entries.switch_off(others + before, True, [URI], NOTE) == others + after
    assert entries.find(others + after, True, [URI]) == []
    found = entries.find(others + before, True, [URI])
    assert [entry.line for entry in found] == [8]


def test_deb822_names_are_not_case_sensitive_and_comments_may_stand_between_folded_lines() -> None:
    text = f"types: deb\nuris:\n# the mirror\n {URI}\nsuites: trixie\ncomponents: stable\n"
    (entry,) = entries.find(text, True, [URI])
    assert entry == entries.Entry(1, (URI,), f"deb {URI} trixie stable")


@pytest.mark.parametrize("no", ["no", "No", "false", "0", "disable"])
def test_deb822_stanza_that_is_off_already(no: str) -> None:
    text = stanza(Enabled=no)
    assert entries.find(text, True, [URI]) == []
    assert entries.switch_off(text, True, [URI], NOTE) == text


def test_signed_by_with_a_key_inside_is_left_whole() -> None:
    key = "\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQINBFit2ioBEADhWpZ8\n -----END PGP PUBLIC KEY BLOCK-----"
    text = stanza(**{"Signed-By": key})
    assert entries.switch_off(text, True, [URI], NOTE) == f"# {NOTE}:\nEnabled: no\n{text}"


def test_line_ends_of_other_systems_stay() -> None:
    entry = f"deb {URI} trixie stable\r\n"
    assert entries.switch_off(f"\r\n{entry}", False, [URI], NOTE) == f"\r\n# {NOTE}: {entry}"


@given(st.text(alphabet=st.sampled_from("deb [=]#:\n \tURIs" + URI), max_size=200), st.booleans())
def test_switching_off_leaves_nothing_active_and_is_done_once(text: str, deb822: bool) -> None:
    off = entries.switch_off(text, deb822, [URI], NOTE)
    assert entries.find(off, deb822, [URI]) == []
    assert entries.switch_off(off, deb822, [URI], NOTE) == off
    if not entries.find(text, deb822, [URI]):
        assert off == text
