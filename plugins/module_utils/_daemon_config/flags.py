# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Find keys that stand in daemon.json and on dockerd's command line: dockerd refuses to start with both."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.merge import dotted
from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.options import BY_FLAG, Option, flatten
from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.units import Word


class Flag(t.NamedTuple):
    """A flag of dockerd as it is written, the option it sets and the word it was found in."""

    name: str
    option: Option
    word: Word


def parse_flags(command: t.Sequence[Word]) -> list[Flag]:
    """The known flags of a command line, after the rules of Go's pflag."""
    start = next((i + 1 for i, word in enumerate(command) if os.path.basename(word.text) == "dockerd"), None)
    found: list[Flag] = []
    at = len(command) if start is None else start
    while at < len(command):
        word = command[at]
        at += 1
        if word.text == "--":
            break
        names, takes_next = _names(word.text)
        for name in names:
            option = BY_FLAG.get(name)
            if option is not None:
                found.append(Flag(name, option, word))
        if takes_next:
            at += 1
    return found


def _names(text: str) -> tuple[list[str], bool]:
    """The flags that a word sets, and whether the value of the last one is the next word."""
    if text.startswith("--"):
        name, equals, _value = text.partition("=")
        option = BY_FLAG.get(name)
        return [name], not equals and option is not None and option.kind != "bool"
    names: list[str] = []
    if text.startswith("-"):
        # Short flags can be bundled, -Dl debug; the first that takes a value also takes the rest of the word.
        for index, letter in enumerate(text[1:], 2):
            names.append(f"-{letter}")
            option = BY_FLAG.get(names[-1])
            if option is None or option.kind != "bool":
                return names, option is not None and index == len(text)
            if text[index : index + 1] == "=":
                break
    return names, False


def conflicts(config: dict[str, t.Any], flags: t.Iterable[Flag]) -> list[str]:
    """A sentence for each key of the configuration that a flag sets too."""
    keys = {key: path for path, key, _value in flatten(config)}
    return [
        f"{dotted(keys[flag.option.key])} is set in the file, and {flag.word.file}, line {flag.word.line}, starts "
        f"dockerd with {flag.name}, which sets the same: dockerd would refuse to start."
        for flag in flags
        if flag.option.key in keys and not flag.option.merged
    ]


REMEDY = (
    "Leave the key out of settings (list it in absent if it is in the file already), or take the flag out of the "
    "command: for systemd by a drop-in such as /etc/systemd/system/docker.service.d/override.conf that holds, under "
    "[Service], an empty ExecStart= and then ExecStart= with the command without the flag."
)
