# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The make.log that DKMS leaves of a module that it could not build.

DKMS make.log for nvidia-530.30.02 for kernel 6.5.0-41-generic (x86_64)
DKMS (dkms-3.0.12) make.log for nvidia/570.153.02 for kernel 6.15.0 (x86_64)
"""

from __future__ import annotations

import re
import typing as t

_FOR = re.compile(r"make\.log for \S+ for kernel (\S+)|module build on kernel: (\S+)", re.ASCII)
# What stopped it, the most telling first. The reason is of the catalogue's words.
_KINDS = tuple(
    (why, re.compile(pattern, re.I | re.M))
    for why, pattern in (
        ("space", r"^.*No space left on device.*$"),
        ("memory", r"^.*(?:virtual memory exhausted|Cannot allocate memory|Killed\b.*(?:cc1|signal)|out of memory).*$"),
        ("realtime", r"^.*(?:PREEMPT_RT sanity check|The kernel you are installing for is a PREEMPT_RT).*$"),
        (
            "compiler",
            r"^.*(?:(?:gcc|cc|clang|ld)[\w.-]*: (?:not found|No such file|command not found)"
            r"|unrecognized command.line option"
            r"|Compiler version check failed|cc version check|requires? .{0,20}gcc).*$",
        ),
        (
            "headers",
            r"^.*(?:kernel headers? .{0,60}(?:not found|missing|cannot be found)|Unable to (?:locate"
            r"|find) .{0,40}kernel source"
            r"|/lib/modules/\S+/build: No such file"
            r"|Kernel configuration is invalid|Module\.symvers file is missing).*$",
        ),
        ("tools", r"^.*\bplease install .*$"),
        ("source", r"^.*GPL-incompatible module .*$"),
        ("source", r"^.*\.[chS]:\d+(?::\d+)?: (?:fatal )?error: .*$"),
        (
            "source",
            r"^.*\berror: (?:implicit declaration|too (?:few|many) arguments|unknown type|conflicting types).*$",
        ),
        ("source", r"^.*modpost: .*undefined.*$"),
        ("unknown", r"^.*\*\*\* .*Error \d+.*$"),
        ("unknown", r"^.*(?:\berror\b|Bad return status).*$"),
    )
)


class Failure(t.NamedTuple):
    module: str
    version: str
    kernel: str | None  # the one it was built for, where the log says
    why: str
    said: str


def parse(text: str, module: str, version: str) -> Failure | None:
    """Why the build stopped; None where the log tells of no failure."""
    found = _FOR.search(text)
    for why, pattern in _KINDS:
        line = pattern.search(text)
        if line:
            kernel = (found[1] or found[2]).rstrip(".,") if found else None
            return Failure(module, version, kernel, why, line[0].strip()[-300:])
    return None
