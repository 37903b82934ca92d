# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
import shlex
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.gpulab.workstation.plugins.action.require_lists import options_of, problems
from ansible_collections.gpulab.workstation.tests.unit.ansible_playbook import ROOT, ansible_playbook

LISTS: dict[str, dict[str, t.Any]] = {
    "names": {"type": "list", "elements": "str"},
    "paths": {"type": "list", "elements": "list"},
    "text": {"type": "str"},
    "people": {
        "type": "list",
        "elements": "dict",
        "options": {"keep": {"type": "list", "elements": "str"}, "gpus": {"type": "raw"}},
    },
}


def said_of(values: dict[str, t.Any]) -> list[str]:
    return list(problems(values, LISTS, "of lab07"))


@pytest.mark.parametrize(
    "values",
    [
        {"names": []},
        {"names": ["ada"], "unknown": "ada"},
        {"paths": [["log-opts", "max-file"]]},
        {"text": "ada"},
        {"people": [{"name": "ada", "gpus": "all", "keep": ["*.pt"]}]},
    ],
)
def test_lists_are_taken(values: dict[str, t.Any]) -> None:
    assert said_of(values) == []


def test_the_sentence() -> None:
    assert said_of({"names": "ada"}) == [
        "names of lab07 is the text ada, and should be a list: `names: [ada]`, or on the command line "
        """-e '{"names": ["ada"]}'."""
    ]


@pytest.mark.parametrize(
    ("value", "found", "meant"),
    [
        ("ada, bob", "the text ada, bob", ["ada", "bob"]),
        ("[ada, bob]", "the text [ada, bob]", ["ada", "bob"]),
        ('["ada"]', 'the text ["ada"]', ["ada"]),
        ("[ada", "the text [ada", ["[ada"]),
        ("polars>=1,<2", "the text polars>=1,<2", ["polars>=1,<2"]),
        ("it's", "the text it's", ["it's"]),
        ("Jürgen", "the text Jürgen", ["Jürgen"]),
        ("/srv/" + "long " * 40 + "path", "the text /srv/" + "long " * 40 + "path", ["/srv/" + "long " * 40 + "path"]),
        ("5", "the text 5", ["5"]),
        (5, "5", [5]),
        ({"ada": 1}, "a dictionary", ["ada"]),
        ("", "empty", []),
        (None, "empty", []),
    ],
)
def test_what_it_proposes_is_what_was_meant(value: object, found: str, meant: list[object]) -> None:
    """In the inventory and on the command line, as YAML and a shell read them."""
    (said,) = said_of({"names": value})
    assert f" is {found}, and should be" in said
    written, typed = re.findall(r": `(.*)`, or on the command line (.*)\.$", said)[0]
    assert yaml.safe_load(written) == {"names": meant}
    assert yaml.safe_load(shlex.split(typed)[1]) == {"names": meant}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"paths": "debug"}, "paths of lab07 is the text debug, and should be a list: `paths: [[debug]]`, or"),
        ({"paths": [["a"], "b"]}, "paths of lab07 has the text b where a list should be: `paths: [[b]]`."),
        ({"people": "name=ada"}, "of lab07 is the text name=ada, and should be a list: `people: [{KEY: VALUE}]`."),
        (
            {"people": [{"keep": "*.pt"}]},
            "keep in people of lab07 is the text *.pt, and should be a list: `keep: ['*.pt']`.",
        ),
    ],
)
def test_lists_inside_of_lists(values: dict[str, t.Any], said: str) -> None:
    assert said in said_of(values)[0]


ENTRY_POINTS = [
    (role.parts[-3], entry_point)
    for role in sorted(ROOT.glob("roles/*/meta/argument_specs.yml"))
    for entry_point in yaml.safe_load(role.read_text(encoding="utf-8"))["argument_specs"]
]
# Those that are looked at when they are wanted only.
WANTED = {"nvidia_driver_install": True}
REQUIRED: dict[str, t.Any] = {"docker_merge_settings": {}}


def test_every_entry_point_refuses_text_before_it_connects(tmp_path: Path) -> None:
    """The machine cannot be reached, so a task that did anything there would end the play."""
    texts: dict[str, t.Any] = {}
    for role in {role for role, _entry_point in ENTRY_POINTS}:
        for name, option in options_of(ROOT / "roles" / role).items():
            # Text for a list of dictionaries mostly fails Ansible's own check.
            if option["type"] == "list" and option.get("elements") != "dict":
                texts[name] = (option.get("choices") or ["ada"])[0]
    tasks = [
        {
            "block": [
                {"ansible.builtin.include_role": {"name": f"gpulab.workstation.{role}", "tasks_from": entry_point}}
            ],
            "rescue": [
                {"ansible.builtin.debug": {"msg": f"{role}/{entry_point}: {{{{ ansible_failed_result.msg }}}}"}}
            ],
        }
        for role, entry_point in ENTRY_POINTS
    ]
    nowhere = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
    play = {"hosts": "lab07", "gather_facts": False, "vars": {**texts, **WANTED, **REQUIRED}, "tasks": tasks}
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    (tmp_path / "lab.yml").write_text(yaml.safe_dump({"workstations": {"hosts": {"lab07": nowhere}}}))
    done = ansible_playbook(
        "-i", tmp_path / "lab.yml", tmp_path / "play.yml", environment={"ANSIBLE_CALLBACK_RESULT_FORMAT": "json"}
    )
    for role, entry_point in ENTRY_POINTS:
        said = re.findall(rf'"msg": "{role}/{entry_point}: (.*)"$', done.stdout, re.M)
        assert said, f"{role}/{entry_point} let text pass where a list is wanted:\n{done.stdout}"
        for name in texts.keys() & options_of(ROOT / "roles" / role).keys():
            assert f"{name} of lab07 is the text {texts[name]}" in said[0]


DOCUMENTED = [
    (path.stem, name)
    for path in sorted(ROOT.glob("playbooks/*.yml"))
    for name in re.findall(r"^#   (\w+): \[", path.read_text(encoding="utf-8"), re.M)
]


# The one as gpu_report.yml documents it.
@pytest.mark.parametrize(("playbook", "variable"), [*DOCUMENTED, ("fleet_report", "gpu_report_frameworks")])
def test_playbooks_refuse_text_first_of_all(playbook: str, variable: str) -> None:
    plays = yaml.safe_load(ROOT.joinpath("playbooks", f"{playbook}.yml").read_text(encoding="utf-8"))
    play = next(play for play in plays if "tasks" in play)
    first = play["tasks"][0]
    assert variable in first["gpulab.workstation.require_lists"]["variables"]
    # Whatever is wrong with a machine: not by its connection, and an end for all is meant.
    assert (first["delegate_to"], first["run_once"]) == ("localhost", True)
