# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import sys
import time
import typing as t
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.gpulab.workstation.plugins.action.playbook_check_info import check_run, same_options
from ansible_collections.gpulab.workstation.plugins.plugin_utils._fleet_report.events import Events

STATS = {"changed": 1, "failures": 0, "ignored": 0, "ok": 2, "rescued": 0, "skipped": 0, "unreachable": 0}


def line(kind: str, host: str, task: str, **result: t.Any) -> str:
    event = {"_event": f"v2_runner_on_{kind}", "task": {"name": task}, "hosts": {host: result}}
    return json.dumps(event) + "\n"


def stats(**hosts: dict[str, int]) -> str:
    return json.dumps({"_event": "v2_playbook_on_stats", "stats": hosts}) + "\n"


def run(program: str, timeout: float = 30) -> dict[str, t.Any]:
    return check_run([sys.executable, "-c", program], os.environ, timeout)


def is_alive(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


@pytest.fixture
def says(tmp_path: Path) -> t.Callable[..., dict[str, t.Any]]:
    def says(*lines: str, more: str = "", timeout: float = 30) -> dict[str, t.Any]:
        text = tmp_path / "said"
        text.write_text("".join(lines))
        return run(f"print(open({str(text)!r}).read(), end='', flush=True); {more or 'pass'}", timeout)

    return says


def test_changes(says: t.Callable[..., dict[str, t.Any]]) -> None:
    outcome = says(
        "[WARNING]: something\n",
        "[1, 2]\n",
        line("ok", "a", "Same", changed=False),
        line("ok", "a", "Render", changed=True, msg="All items completed", diff={"after": "a secret"}, action="x"),
        line("ok", "a", "Say", changed=True, msg="It would\n be built.", action="ansible.builtin.debug"),
        line("skipped", "b", "Skipped", changed=True),
        stats(a=STATS, b=STATS),
    )
    assert outcome["status"] == "completed"
    assert outcome["hosts"]["a"]["changes"] == [
        {"task": "Render", "note": ""},
        {"task": "Say", "note": "It would be built."},
    ]
    assert outcome["hosts"]["b"] == {"changes": [], "failed": [], "unreachable": False}
    assert "secret" not in json.dumps(outcome)


def test_failures_count_where_they_were_not_rescued() -> None:
    events = Events()
    for host in ("rescued", "failed", "gone"):
        events.take(line("failed", host, "Try", msg={"why": 1}))
    events.take(line("unreachable", "gone", "Try", msg="no route"))
    events.take(stats(rescued=STATS, failed={**STATS, "failures": 1}, gone={**STATS, "unreachable": 1}))
    hosts = events.hosts()
    assert hosts["rescued"]["failed"] == []
    assert hosts["failed"]["failed"] == [{"task": "Try", "note": '{"why": 1}'}]
    assert hosts["gone"]["unreachable"]


def test_event_of_no_host_is_nobodys() -> None:
    events = Events()
    events.take('{"_event": "v2_runner_on_ok", "task": {"name": "a"}}')
    assert events.hosts() == {}


def test_long_message_is_cut() -> None:
    events = Events()
    events.take(line("failed", "a", "Try", msg="x" * 9999))
    assert len(events.hosts()["a"]["failed"][0]["note"]) < 600


def test_failure_is_told_without_the_warnings() -> None:
    program = "import sys; sys.exit('[WARNING]: old\\n[ERROR]: no vault secrets\\nfound')"
    outcome = run(program)
    assert (outcome["status"], outcome["problem"]) == ("failed", "no vault secrets found")
    assert run("raise SystemExit(3)")["problem"] == "ansible-playbook ended with 3, and said nothing."


def test_run_that_hangs_is_ended_with_what_it_started(says: t.Callable[..., dict[str, t.Any]], tmp_path: Path) -> None:
    child = tmp_path / "child"
    started = time.monotonic()
    outcome = says(
        line("ok", "a", "Render", changed=True, action="x"),
        more="import subprocess, time; "
        f"open({str(child)!r}, 'w').write(str(subprocess.Popen(['sleep', '60']).pid)); time.sleep(60)",
        timeout=1,
    )
    assert time.monotonic() - started < 20
    assert outcome["status"] == "timed_out"
    assert "longer than 1 seconds" in outcome["problem"]
    assert outcome["hosts"]["a"]["changes"] == [{"task": "Render", "note": ""}]
    while is_alive(child.read_text()):
        assert time.monotonic() - started < 20, "what the run started is still there"


def test_the_other_run_may_do_what_this_one_may(tmp_path: Path) -> None:
    options = {
        "remote_user": "labadmin",
        "become": True,
        "become_user": None,
        "extra_vars": ("a=1 b=2", "@/etc/more.yml"),
        "tags": ("x",),
    }
    vault = [("lab", SimpleNamespace(bytes=b"open sesame"))]
    arguments = same_options(options, {"connection": None, "become": "a secret"}, vault, tmp_path)
    assert arguments == [
        "--user=labadmin",
        "--extra-vars=a=1 b=2",
        "--extra-vars=@/etc/more.yml",
        "--become",
        f"--become-password-file={tmp_path}/become",
        f"--vault-id=lab@{tmp_path}/vault-0",
    ]
    assert [(tmp_path / name).read_text() for name in ("become", "vault-0")] == ["a secret", "open sesame"]
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_real_ansible(tmp_path: Path) -> None:
    """What ansible.posix.jsonl of this controller prints is understood."""
    book = tmp_path / "book.yml"
    book.write_text(
        "- hosts: all\n  gather_facts: false\n  strategy: free\n  tasks:\n"
        "    - name: Say\n      ansible.builtin.debug: {msg: It would.}\n      changed_when: true\n"
        "    - name: Stop\n      ansible.builtin.fail: {msg: No more.}\n      when: inventory_hostname == 'b'\n"
    )
    command = [sys.executable, "-m", "ansible", "playbook", "--check", "-i", "a,b,", "-c", "local", str(book)]
    environment = {**os.environ, "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.jsonl", "ANSIBLE_FORCE_COLOR": "false"}
    outcome = check_run(command, environment, 60)
    assert outcome["status"] == "completed", outcome
    say = [{"task": "Say", "note": "It would."}]
    assert outcome["hosts"]["a"] == {"changes": say, "failed": [], "unreachable": False}
    assert outcome["hosts"]["b"] == {
        "changes": say,
        "failed": [{"task": "Stop", "note": "No more."}],
        "unreachable": False,
    }
