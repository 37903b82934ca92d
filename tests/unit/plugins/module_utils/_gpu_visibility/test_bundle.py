# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A look as a file: it says elsewhere what it said at home, and nothing of people or their secrets."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import hypothesis
import pytest
from ansible_collections.gpulab.workstation.molecule.resources.gpu import files
from ansible_collections.gpulab.workstation.molecule.resources.gpu.machine import Machine, t4
from ansible_collections.gpulab.workstation.molecule.resources.gpu.programs import Reply, docker_replies
from ansible_collections.gpulab.workstation.plugins.module_utils._gpu_visibility import bundle
from ansible_collections.gpulab.workstation.plugins.module_utils._gpu_visibility.look import Options, look, options_of
from ansible_collections.gpulab.workstation.tests.unit.plugins.module_utils._gpu_visibility.plays import (
    PLAYS,
    Play,
    inside,
)
from ansible_collections.gpulab.workstation.tests.unit.plugins.module_utils._gpu_visibility.reports import (
    CASES,
    FOUND,
    LATER,
)
from hypothesis import strategies as st

KEPT = sorted((Path(__file__).parent / "bundles").glob("*.json"))
TOKEN = "3f9c0a51d2e84b77" * 3
SECRETS = [
    f"http://127.0.0.1:8888/lab?token={TOKEN}",
    f'"JUPYTER_TOKEN={TOKEN}"',
    f"c.ServerApp.password = '{TOKEN}'",
    f"Authorization: Bearer {TOKEN}",
    f"https://ada:{TOKEN}@registry.lab:5000",
    f'"AWS_ACCESS={TOKEN}"',
    f"<serial>{TOKEN}</serial>",
    f"said {TOKEN} once",
    f"docker login --password {TOKEN[:12]}x",
    f'"MY_PATH={TOKEN[:12]}x"',
    f"token dckr_pat_{TOKEN[:20]}",
    f"hf_{TOKEN[:30]} is refused",
]


def plain(result: dict[str, t.Any]) -> dict[str, t.Any]:
    """Without what is another time each time."""
    layers = [{**layer, "duration_ms": 0} for layer in result["layers"]]
    copy: dict[str, t.Any] = json.loads(json.dumps({**result, "layers": layers}))
    return copy


def names(result: dict[str, t.Any]) -> list[tuple[str, str, str]]:
    return [(one["id"], one["confidence"], one["message"]) for one in result["findings"]]


@pytest.mark.parametrize("play", [*PLAYS, *CASES, *FOUND, *LATER], ids=lambda play: play.id)
def test_says_the_same_elsewhere(play: Play, build: t.Callable[[Machine], Path]) -> None:
    root = build(play.machine)
    play.arrange(root)
    asked = dict(play.options)
    recorder = bundle.Recorder(str(root), asked.pop("timeout", 20), 60)
    options = Options(**asked)
    here = look(recorder, options)
    document = json.loads(json.dumps(recorder.bundle(options._asdict())))
    there = look(bundle.Replay(document), options_of(document))
    assert names(there) == names(here)
    assert (there["status"], there["counts"], there["gpus"]) == (here["status"], here["counts"], here["gpus"])
    # Of a program, evidence shows the paths of the machine that it was on.
    assert [layer["status"] for layer in plain(there)["layers"]] == [one["status"] for one in plain(here)["layers"]]


def test_people_and_secrets_are_taken_out(build: t.Callable[[Machine], Path]) -> None:
    root = build(Machine(gpus=t4(1)))
    files.write(
        root / "etc/passwd", "root:x:0:0::/root:/bin/sh\ngrace:x:1000:1000:Grace Hopper,,,:/home/grace:/bin/sh\n"
    )
    files.write(root / "home/linus/.docker/desktop/docker.sock", "")
    listed = Reply("ps *", "jupyter-ada\n")
    variables = [f"JUPYTER_TOKEN={TOKEN}", "OWNER=grace", "NVIDIA_VISIBLE_DEVICES=void"]
    inspected = json.dumps(["/jupyter-ada", [{"Driver": "cdi"}], "runc", variables]) + "\n"
    said = inside(f"/home/grace/x: token={TOKEN} for linus", 1)
    more = [listed, Reply("inspect *", inspected), Reply("exec jupyter-ada *", said)]
    files.docker(root, docker_replies(more=more))
    recorder = bundle.Recorder(str(root), 20, 60)
    options = Options(notebooks=True)
    here = look(recorder, options)
    text = json.dumps(recorder.bundle(options._asdict()))
    for word in ("ada", "grace", "Hopper", "linus", TOKEN):
        assert word not in text
    assert "NVIDIA_VISIBLE_DEVICES=void" in text
    document = json.loads(text)
    there = look(bundle.Replay(document), options_of(document))
    assert [one["id"] for one in there["findings"]] == [one["id"] for one in here["findings"]]
    assert "jupyter-user1" in there["findings"][0]["message"]


@pytest.mark.parametrize("text", SECRETS)
def test_secret(text: str) -> None:
    assert TOKEN[:12] not in bundle.cleaned(text, [])


@pytest.mark.parametrize(
    "text",
    [
        "GPU-00000000-1ab0-4000-8000-0123456789ab",
        "sha256:" + 64 * "a",
        "NVIDIA_VISIBLE_DEVICES=all",
        "nvidia-container-cli: initialization error: nvml error: driver not loaded",
        '{"DefaultRuntime":"runc","CDISpecDirs":["/etc/cdi"]}',
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert bundle.cleaned(text, ["ada"]) == text


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_kept(path: Path) -> None:
    """Bundles that are named after what is wrong with the machine."""
    document = bundle.read(str(path))
    result = look(bundle.Replay(document), options_of(document))
    found = [one["id"] for one in result["findings"] if one["severity"] == "error"]
    assert found == [path.stem]


def test_there_are_bundles() -> None:
    assert len(KEPT) >= 3


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}'])
def test_no_bundle(tmp_path: Path, text: str) -> None:
    (tmp_path / "bundle").write_text(text)
    with pytest.raises(ValueError, match=r"bundle|Expecting"):
        bundle.read(str(tmp_path / "bundle"))


leaves = st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.text(max_size=8))
anything = st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner))
kinds = ("files", "names", "links", "exists", "nodes", "programs", "runs", "options", "uid")


@hypothesis.settings(deadline=None, max_examples=60)
@hypothesis.given(st.sampled_from(kinds), anything)
def test_damaged(kind: str, value: t.Any) -> None:
    """Whoever was given a bundle was perhaps given a wrong one."""
    document = {**json.loads(KEPT[0].read_text()), kind: value}
    look(bundle.Replay(document), options_of(document))
