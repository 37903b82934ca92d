# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The generated parts of the docs say what the code says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.gpulab.workstation.docs import generate
from ansible_collections.gpulab.workstation.tests.static.tree import ROOT, files, text
from antsibull_docs_parser.dom import PluginIdentifier


def test_up_to_date() -> None:
    pages = sorted(map(str, generate.outdated()))
    assert not pages, f"run `make docs`, these are out of date: {', '.join(pages)}"


def test_links_lead_somewhere() -> None:
    broken = [
        f"{page}: {target}"
        for page in files()
        if page.suffix == ".md"
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", text(page))
        if not (ROOT / page.parent / target).exists()
    ]
    assert not broken, "\n".join(["these links lead nowhere:", *broken])


@pytest.mark.parametrize(
    ("markup", "markdown"),
    [
        ("Set O(users[].name=ada) or V(a_b)", "Set `users[].name=ada` or `a_b`"),
        ("a_b and _c_ * <d>", r"a_b and \_c\_ \* \<d>"),
        ("C(a`b) B(bold) I(it) E(HOME)", "``a`b`` **bold** *it* `HOME`"),
        (
            "L(the manual,https://example.org/x), U(https://example.org)",
            "[the manual](https://example.org/x), <https://example.org>",
        ),
        ("RV(requires=none)", "`requires=none`"),
        (
            "M(gpulab.workstation.docker_daemon_config)",
            "[`gpulab.workstation.docker_daemon_config`](docker_daemon_config.md)",
        ),
        ("P(gpulab.workstation.docker#role)", "[`gpulab.workstation.docker`](../../roles/docker/README.md)"),
    ],
)
def test_markup(markup: str, markdown: str) -> None:
    plugin = PluginIdentifier("gpulab.workstation.some", "module")
    assert generate.Markup(Path("docs/modules/some.md"), plugin).paragraphs(markup) == [markdown]


def test_broken_markup_is_named() -> None:
    plugin = PluginIdentifier("gpulab.workstation.some", "module")
    with pytest.raises(generate.DocsError, match=r"docs/modules/some\.md: .*C\("):
        generate.Markup(Path("docs/modules/some.md"), plugin).paragraphs("C(never closed")


@pytest.mark.parametrize(
    ("value", "markdown"),
    [
        (True, "`true`"),
        ("", '`""`'),
        ("auto", "`auto`"),
        ("{{ x | y }}", "`{{ x | y }}`"),
        ("*-*-* 03:30", '`"*-*-* 03:30"`'),
        ({"a": ["b", 1]}, '`{"a": ["b", 1]}`'),
        (["one\n  two"], '`["one two"]`'),
    ],
)
def test_literal(value: object, markdown: str) -> None:
    assert generate.literal(value) == markdown


def test_options_inside_options() -> None:
    specs = {
        "users": {"type": "list", "elements": "dict", "options": {"name": {"required": True, "description": "Who."}}}
    }
    markup = generate.Markup(Path("roles/some/README.md"), PluginIdentifier("gpulab.workstation.some", "role"))
    assert list(generate.options(specs, markup)) == [
        ["`users`", "list of dict", "", ""],
        ["`users[].name`", "str", "**required**", "Who."],
    ]
