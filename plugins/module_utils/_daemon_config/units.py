# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command line with which the host's service manager starts dockerd, read from its files as text."""

from __future__ import annotations

import os
import re
import shlex
import typing as t

from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.files import under_root

# systemd.unit(5), "Unit File Load Path": the first that has the unit wins, and so it is with drop-ins of one name.
_UNIT_DIRECTORIES = (
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)
_UNIT = "docker.service"
_SYSVINIT_SCRIPT = "/etc/init.d/docker"
_SYSVINIT_DEFAULTS = "/etc/default/docker"
_VARIABLE = re.compile(r"\$(?:\{(?P<braced>\w+)\}|(?P<plain>\w+))")


class Word(t.NamedTuple):
    """One word of a command line and where it is written."""

    text: str
    file: str
    line: int


class _Setting(t.NamedTuple):
    name: str
    fragments: tuple[tuple[str, int], ...]  # the physical lines of a continued value
    file: str

    @property
    def value(self) -> str:
        return " ".join(text for text, _line in self.fragments).strip()


def engine_command(root: str) -> list[Word]:
    """The words of the command that starts dockerd, its path first; empty where no service is installed."""
    booted_by_systemd = os.path.isdir(under_root(root, "/run/systemd/system"))
    has_init_script = os.path.exists(under_root(root, _SYSVINIT_SCRIPT))
    # Debian installs the unit and the init script; only one of them is in force.
    if has_init_script and not booted_by_systemd and root == "/":
        return _sysvinit_command(root)
    return _systemd_command(root) or (_sysvinit_command(root) if has_init_script else [])


def _read(root: str, path: str) -> str | None:
    try:
        with open(under_root(root, path), encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return None


def _sysvinit_command(root: str) -> list[Word]:
    found: list[Word] = []
    for number, line in enumerate((_read(root, _SYSVINIT_DEFAULTS) or "").splitlines(), 1):
        match = re.match(r"\s*(?:export\s+)?DOCKER_OPTS=(.*)", line)
        if match:
            value = " ".join(_split(match.group(1), comments=True))
            found = [Word(word, _SYSVINIT_DEFAULTS, number) for word in _split(value)]
    return [Word("dockerd", _SYSVINIT_SCRIPT, 1), *found]


def _systemd_command(root: str) -> list[Word]:
    settings: list[_Setting] = []
    for path in _unit_files(root):
        settings += _service_settings(_read(root, path) or "", path)
    command: list[_Setting] = []
    variables: dict[str, list[Word]] = {}
    for setting in settings:
        if setting.name == "ExecStart":
            command = [*command, setting] if setting.value else []
        elif setting.name == "Environment":
            variables.update(_assignments(setting))
    # A variable from a file overrides one that the unit itself sets.
    for setting in settings:
        if setting.name == "EnvironmentFile":
            variables.update(_environment_file(root, setting.value.lstrip("-")))
    return _expand(_words(command[-1]), variables) if command else []


def _unit_files(root: str) -> list[str]:
    """The unit and then its drop-ins, in the order in which systemd reads them."""
    # A masked unit is a link to /dev/null: it counts as found, and is empty.
    unit = next((d for d in _UNIT_DIRECTORIES if os.path.lexists(os.path.join(under_root(root, d), _UNIT))), None)
    if unit is None:
        return []
    drop_ins: dict[str, str] = {}
    for directory in reversed(_UNIT_DIRECTORIES):
        folder = f"{directory}/{_UNIT}.d"
        try:
            names = os.listdir(under_root(root, folder))
        except OSError:
            continue
        drop_ins.update({name: f"{folder}/{name}" for name in names if name.endswith(".conf")})
    return [f"{unit}/{_UNIT}", *(drop_ins[name] for name in sorted(drop_ins))]


def _service_settings(text: str, file: str) -> t.Iterator[_Setting]:
    section = ""
    name = ""
    fragments: list[tuple[str, int]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith(("#", ";")):
            continue
        if not fragments:
            stripped = line.strip()
            if stripped.startswith("[") and stripped.endswith("]"):
                section = stripped[1:-1]
                continue
            name, equals, value = line.partition("=")
            name = name.strip()
            if not equals:
                continue
        else:
            value = line
        fragments.append((value.rstrip("\\") if value.endswith("\\") else value, number))
        if not value.endswith("\\"):
            if section == "Service":
                yield _Setting(name, tuple(fragments), file)
            fragments = []


def _words(setting: _Setting) -> list[Word]:
    words = [Word(word, setting.file, line) for text, line in setting.fragments for word in _split(text)]
    prefix_stripped = words[0].text.lstrip("@-:+!|") if words else ""
    return [words[0]._replace(text=prefix_stripped), *words[1:]] if words else []


def _split(text: str, comments: bool = False) -> list[str]:
    try:
        return shlex.split(text, comments=comments)
    except ValueError:  # a quote that is not closed: systemd would refuse the line, flags can still be seen in it
        return text.split()


def _assignments(setting: _Setting) -> dict[str, list[Word]]:
    found = {}
    for word in _words(setting):
        name, equals, value = word.text.partition("=")
        if equals:
            found[name] = [word._replace(text=part) for part in _split(value)]
    return found


def _environment_file(root: str, path: str) -> dict[str, list[Word]]:
    found = {}
    for number, line in enumerate((_read(root, path) or "").splitlines(), 1):
        name, equals, value = line.strip().partition("=")
        if equals and not name.startswith(("#", ";")):
            unquoted = " ".join(_split(value))
            found[name.strip()] = [Word(word, path, number) for word in _split(unquoted)]
    return found


def _expand(words: list[Word], variables: dict[str, list[Word]]) -> list[Word]:
    expanded: list[Word] = []
    for word in words:
        match = _VARIABLE.fullmatch(word.text)
        if match is None:
            expanded.append(word)
        else:
            expanded += variables.get(match.group("braced") or match.group("plain"), [])
    return expanded
