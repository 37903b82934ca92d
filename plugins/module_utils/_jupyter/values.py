# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the values of an instance can be, on any machine: types, ranges, and names that Docker takes."""

from __future__ import annotations

import contextlib
import re
import typing as t

from .._untrusted import shape
from .errors import OperatorError
from .settings import NUMBERS, Settings, converted, in_bytes

# The role sets these itself, and a token in the environment shows in `docker inspect`.
RESERVED_ENVIRONMENT = {
    *("HOME", "JUPYTER_CONFIG_PATH", "JUPYTER_TOKEN", "JUPYTER_TOKEN_FILE"),
    # `gpus` says which.
    "NVIDIA_VISIBLE_DEVICES",
}
# These decide which programs run, and whether the server reads the image's settings, which have the way to its token.
IMAGE_ENVIRONMENT = {
    *("PATH", "LD_PRELOAD", "LD_AUDIT", "PYTHONHOME"),
    *("JUPYTER_CONFIG_DIR", "JUPYTER_NO_CONFIG"),
}
# What a number can be: seconds, minutes, processes.
RANGES = {
    "start_timeout": (1, 86400),
    "stop_timeout": (0, 3600),
    "idle_minutes": (0, 525600),
    "cull_idle_minutes": (0, 525600),
    "pids_limit": (64, 2**22),
}
MOST_MEMORY = 2**46
# Bytes of one variable: a line of Docker's file of them ends at 64 KiB. And of all: Linux starts no program with 2 MiB.
LONGEST_VALUE, LARGEST_ENVIRONMENT = 60000, 2**20
# A reference as Docker takes it: a registry's host may have capitals, and nothing else of the name.
IMAGE = re.compile(
    r"(?:[A-Za-z0-9.-]+(?::\d+)?/|\[[0-9a-fA-F:]+\](?::\d+)?/)?"
    r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*(?::\w[\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?",
    re.ASCII,
)
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
# No command, unit or file of settings can take these, and the last ones are halves of characters.
UNWRITABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


def type_problems(raw: dict[str, t.Any]) -> t.Iterator[str]:
    """Of an instance, whose values may be of any type."""
    said = raw.get("name")
    if said is None:
        yield "An instance in jupyter_instances has no `name`; give it one, like keras."
    name = f"Instance {shape.line(str(said), 80)}"
    for key in sorted(set(Settings._fields) - set(Settings._field_defaults) - {"name"} - set(raw)):
        yield f"{name}: its `{key}` is missing; give it a value."
    for key, value in raw.items():
        shown = shape.line(str(key), 80)
        if key not in Settings._fields:
            yield f"{name}: `{shown}` is nothing that an instance has; leave it out, or correct its spelling."
            continue
        try:
            found = converted(key, value)
        except ValueError as error:
            yield f"{name}: {error}."
            continue
        if value is None:
            if key != "name":
                yield f"{name}: its `{key}` is empty; leave it out, or give it a value."
        elif isinstance(value, bool) and key in (*NUMBERS, "cpus"):
            yield f"{name}: its `{key}` is {str(value).lower()}, and should be a number."
        elif key == "environment":
            odd = [str(one) for one, said in value.items() if said is None or isinstance(said, (dict, list, tuple))]
            if odd:
                yield (
                    f"{name}: its `environment` has for {shape.line(', '.join(odd), 200)} what is neither text nor a "
                    f"number; write one value, in quotes where it is to be text."
                )
        elif isinstance(found, str) and UNWRITABLE.search(found):
            yield (
                f"{name}: its `{key}` {shape.line(found, 80)} has a line's end or another control character; "
                f"write it on one line."
            )


def range_problems(instance: Settings) -> t.Iterator[str]:
    """What no engine or server could make sense of."""
    if not instance.user:
        yield "its `user` is empty; name a user of this machine, or leave it out"
    for key, (least, most) in RANGES.items():
        value = getattr(instance, key)
        if not least <= value <= most:
            yield f"its `{key}` {shape.line(value, 40)} is not from {least} to {most}"
    for key in ("memory", "shm_size"):
        with contextlib.suppress(OperatorError):
            size = getattr(instance, key)
            if in_bytes(size, 0) > MOST_MEMORY:
                yield f"its `{key}` {size} is more than any machine has"
    if not IMAGE.fullmatch(instance.image):
        yield f"its `image` {shape.line(instance.image, 80) or '(empty)'} cannot name one; write it like keras:gpu"


def environment_problems(environment: dict[str, str]) -> t.Iterator[str]:
    reserved = RESERVED_ENVIRONMENT & set(environment)
    if reserved:
        yield f"its `environment` sets {', '.join(sorted(reserved))}, which the role sets itself; leave it out"
    of_image = IMAGE_ENVIRONMENT & set(environment)
    if of_image:
        yield (
            f"its `environment` sets {', '.join(sorted(of_image))}, with which the image's server may not start, or "
            f"start without its token; leave it out, or set it in an image of your own (jupyter_image)"
        )
    for name, value in environment.items():
        shown = shape.line(name, 80)
        if not VARIABLE.fullmatch(name) or "\n" in value or "\r" in value:
            yield f"Docker cannot pass on {shown!r} of its `environment`: a name is one word, a value one line"
        elif "\0" in value or not is_utf8(value):
            yield f"{shown} of its `environment` has a character that Docker refuses: a NUL, or half of one"
        elif len(value.encode("utf-8", "replace")) > LONGEST_VALUE:
            yield f"{shown} of its `environment` has more than {LONGEST_VALUE} bytes, which Docker refuses"
    if len("".join(f"{name}={value}\0" for name, value in environment.items())) > LARGEST_ENVIRONMENT:
        yield f"its `environment` has more than {LARGEST_ENVIRONMENT} characters, with which no program starts"


def is_utf8(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
