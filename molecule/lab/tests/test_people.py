# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two people who share a machine: neither gets at what the other has. Their URLs and uploads are in test_verbs.py."""

from __future__ import annotations

import pytest
from ansible_collections.gpulab.workstation.molecule.resources.notebook import Notebook
from testinfra.host import Host

MACHINE = "gpulab-lab-2"
ADA, GRACE = ("ada", 8888), ("grace", 8889)
testinfra_hosts = [f"ansible://{MACHINE}"]


@pytest.mark.parametrize(("own", "other"), [(ADA, GRACE), (GRACE, ADA)])
def test_a_token_opens_its_own_notebook_only(host: Host, own: tuple[str, int], other: tuple[str, int]) -> None:
    mine, theirs = Notebook(host, *own), Notebook(host, *other)
    assert mine.request("/api/status")[0] == 200
    assert theirs.request("/api/status", token=mine.token_path)[0] == 403
    token = host.file(theirs.token_path)
    assert (token.user, token.mode) == (other[0], 0o400)
    assert host.run("runuser -u %s -- cat %s", own[0], theirs.token_path).failed


@pytest.mark.parametrize(("own", "other"), [(ADA, GRACE), (GRACE, ADA)])
def test_files_are_their_owners(host: Host, own: tuple[str, int], other: tuple[str, int]) -> None:
    name = "whose.txt"
    Notebook(host, *own).run_cell(f"import pathlib; pathlib.Path('/src/{name}').write_text('{own[0]}')")
    file = host.file(f"/home/{own[0]}/notebooks/{name}")
    assert (file.user, file.content_string) == (own[0], own[0])
    assert host.run("runuser -u %s -- cat %s", other[0], file.path).failed
    # Nor does a kernel of the other see anything of it.
    paths = f"/home/{own[0]}", f"/home/{own[0]}/notebooks/{name}"
    assert (
        Notebook(host, *other).run_cell(f"import os; print([os.path.exists(p) for p in {paths}])") == "[False, False]"
    )
