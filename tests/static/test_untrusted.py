# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where root's code meets what the users of notebooks can write, it does so through _untrusted.

The rule, for plugins/module_utils/_jupyter and the modules jupyter_*: no call that opens or reads a file, starts a
program or a process, asks a server, or decodes JSON, by any of the names below. Whatever needs one belongs into
plugins/module_utils/_untrusted, with its limits.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.gpulab.workstation.tests.static.tree import files, text

# As functions, and as methods of whatever it is.
FUNCTIONS = {"open", "eval", "exec", "__import__"}
METHODS = {
    *("open", "read_text", "read_bytes", "write_text", "write_bytes", "fdopen", "urlopen", "create_connection"),
    *("load", "loads", "fork", "system", "popen", "spawn", "Popen", "check_output", "check_call", "getoutput"),
}
# Of the modules that are here under their own names.
MODULES = {"subprocess.run", "subprocess.call", "os.read", "os.link", "shutil.copy", "shutil.copyfile", "socket.socket"}
ALLOWED = {
    ("in_container.py", "loads"): "It runs in the user's own container, on the user's own Python.",
    ("certificate.py", "write_text"): "What openssl is to sign, in a directory that root has just made.",
    ("preflight.py", "socket.socket"): "It only binds a port, to see whether it is free.",
    ("supervisor.py", "socket.socket"): "The channel to systemd, to which it only sends.",
    ("jupyter_supervisor.py", "open"): "The program itself, below a directory of root's.",
    ("jupyter_supervisor.py", "fdopen"): "The same, before it is in place.",
}


def reached(path: Path) -> bool:
    return path.suffix == ".py" and (
        path.parent == Path("plugins/module_utils/_jupyter")
        or (path.parent == Path("plugins/modules") and path.name.startswith("jupyter_"))
    )


def calls(source: str) -> Iterator[tuple[int, str]]:
    """Each call that the rule is about, as the name by which it is in ALLOWED."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        if called in FUNCTIONS | METHODS | MODULES:
            yield node.lineno, called
        elif isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
            yield node.lineno, node.func.attr


def test_users_data_is_met_in_one_place() -> None:
    found, used = [], set()
    for path in filter(reached, files()):
        for number, name in calls(text(path)):
            used.add((path.name, name))
            if (path.name, name) not in ALLOWED:
                found.append(f"{path}:{number}: {name}")
    assert not found, "use plugins/module_utils/_untrusted, which has limits:\n" + "\n".join(found)
    assert used == set(ALLOWED), "what is not called needs no leave"


@pytest.mark.parametrize(
    "source",
    [
        "open(path)",
        "path.open('rb')",
        "os.open(path, os.O_RDONLY)",
        "settings.token_file.read_text()",
        "json.loads(text)",
        "subprocess.run(command)",
        "subprocess.Popen(command)",
        "urllib.request.build_opener().open(url)",
        "os.fork()",
    ],
)
def test_the_rule_sees_it(source: str) -> None:
    assert list(calls(source))


@pytest.mark.parametrize(
    "source", ["files.read(path, 10)", "child.run(command, 1)", "shape.decoded(text)", "tree.walk()"]
)
def test_the_rule_lets_pass(source: str) -> None:
    assert not list(calls(source))
