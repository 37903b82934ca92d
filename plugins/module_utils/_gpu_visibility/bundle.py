# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A look as a file: everything that a host answered, without secrets and names of users, to look at it elsewhere."""

from __future__ import annotations

import base64
import json
import os
import platform
import re
import typing as t

from .system import Node, Run, System, shortened

FORMAT = "gpulab.workstation gpu bundle 1"
_AGAIN = " (again)"
_MOST = 200_000  # bytes of one file or of what one program printed
_SECRET = re.compile(
    r"(?i)([\w-]*(?:token|passw|secret|api_?key|credential|authorization)[\w-]*)(\\?[\"']?\s*[=:]\s*\\?[\"']?)"
    r"(?:(?:bearer|basic)\s+)?[^\s\"'&,;\\]+"
)
# As options of a command line, and those whose form tells what they are.
_OPTION = re.compile(r"(?i)(--?[\w-]*(?:token|passw|secret|api-?key|credential)[\w-]*)(\s+)[^\s\"'&,;\\]+")
_FORMS = re.compile(r"\b(?:(?:hf|gh[opsu]|github_pat|glpat|dckr_pat|sk|xox[abp])[-_][\w-]{12,}|AKIA[0-9A-Z]{16})\b")
_IN_URL = re.compile(r"(://)[^\s/@:\"']+:[^\s/@\"']+@")
_LONG = re.compile(r"(?<!sha256:)(?<![\w/.-])(?:[0-9a-f]{40,}|eyJ[\w-]{10,}\.[\w.-]{10,})(?![\w-])", re.I)
_SERIAL = re.compile(r"(<serial>|\bSerial Number\s*:\s*)[^<\s]+")
# Variables of containers are anybody's; only what tells of GPUs stays.
_VARIABLE = re.compile(r'"([A-Za-z_]\w*)=((?:[^"\\]|\\.)*)"')
_PUBLIC = re.compile(r"^(?:(?:NVIDIA|CUDA|JAX|TF|XLA|NV|LD|KERAS)_|PATH$|cgroup|name$)", re.A)
# Names of users that are words of the texts themselves, too.
_WORDS = frozenset(
    [
        "root",
        "nobody",
        "docker",
        "nvidia",
        "jupyter",
        "keras",
        "user",
        "users",
        "admin",
        "test",
        "lab",
        "gpu",
        "debian",
        "ubuntu",
        "rocky",
        "fedora",
        "cuda",
        "torch",
        "jax",
        "tensorflow",
        "system",
        "default",
        "podman",
        "snap",
        "home",
        "daemon",
        "kernel",
        "driver",
        "python",
        "none",
        "all",
        "host",
        "server",
    ]
)


class Recorder(System):
    """A system that notes what it answers."""

    def __init__(self, root: str = "/", timeout: float = 30.0, total: float = 180.0) -> None:
        super().__init__(root, timeout, total)
        self.seen: dict[str, dict[str, t.Any]] = {
            kind: {}
            for kind in ("files", "names", "links", "reals", "exists", "nodes", "programs", "runs", "variables")
        }

    def _note(self, kind: str, name: str, value: t.Any) -> None:
        """The first answer, and the last where it became another one meanwhile."""
        known = self.seen[kind]
        if known.setdefault(name, value) != value:
            known[name + _AGAIN] = value

    def variable(self, name: str) -> str | None:
        found = super().variable(name)
        self._note("variables", name, found)
        return found

    def read_bytes(self, path: str) -> bytes | None:
        raw = super().read_bytes(path)
        self._note("files", path, None if raw is None else _text(raw))
        return raw

    def names(self, path: str) -> list[str] | None:
        found = super().names(path)
        self._note("names", path, found)
        return found

    def link(self, path: str) -> str | None:
        found = super().link(path)
        self._note("links", path, found)
        return found

    def real(self, path: str) -> str:
        found = super().real(path)
        self._note("reals", path, "/" + os.path.relpath(found, os.path.realpath(self.root)))
        return found

    def exists(self, path: str) -> bool:
        found = super().exists(path)
        self._note("exists", path, found)
        return found

    def node(self, path: str) -> Node | None:
        found = super().node(path)
        self._note("nodes", path, found and list(found))
        return found

    def program(self, name: str) -> str | None:
        path = super().program(name)
        self._note("programs", name, path and "/" + os.path.relpath(path, self.root))
        return path

    def run_path(
        self, path: str, *arguments: str, ref: str = "", timeout: float | None = None, tidying: bool = False
    ) -> Run:
        run = super().run_path(path, *arguments, ref=ref, timeout=timeout, tidying=tidying)
        self.seen["runs"][_key(ref or path, arguments, self.root)] = {
            "rc": run.rc,
            "stdout": shortened(run.stdout, _MOST),
            "stderr": shortened(run.stderr, _MOST),
            "problem": run.problem,
        }
        return run

    def bundle(self, options: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """What can be given to somebody else. options: what was asked, to ask it again."""
        document = {"format": FORMAT, "options": dict(options), "uid": self.uid(), **self.seen}
        return cleaned(document, self._people(), platform.node() if self.root == "/" else "")

    def _people(self) -> list[str]:
        """Names of users: of /etc/passwd, of homes, of notebooks."""
        # Not noted: the file has people's full names.
        lines = (System.read_bytes(self, "/etc/passwd") or b"").decode("utf-8", "replace").splitlines()
        fields = (line.split(":") for line in lines)
        names = {one[0] for one in fields if len(one) > 2 and one[2].isdigit() and 1000 <= int(one[2]) < 60000}
        names.update(System.names(self, "/home") or [])
        for run in self.seen["runs"].values():
            names.update(re.findall(r"\bjupyter-([a-z0-9][\w.-]*)", run["stdout"]))
        return sorted(name for name in names if len(name) > 2 and name.lower() not in _WORDS)


class Replay(System):
    """A system that answers as the one that a bundle is of."""

    def __init__(self, document: t.Mapping[str, t.Any], timeout: float = 30.0, total: float = 180.0) -> None:
        super().__init__("/", timeout, total)
        self.seen = document
        self.asked: set[tuple[str, str]] = set()

    def _of(self, kind: str, name: str) -> t.Any:
        answers = self.seen.get(kind)
        if not isinstance(answers, dict):
            return None
        again = (kind, name) in self.asked
        self.asked.add((kind, name))
        return answers.get(name + _AGAIN, answers.get(name)) if again else answers.get(name)

    def variable(self, name: str) -> str | None:
        return t.cast("str | None", self._of("variables", name))

    def uid(self) -> int:
        uid = self.seen.get("uid")
        return uid if isinstance(uid, int) else 0

    def read_bytes(self, path: str) -> bytes | None:
        kept = self._of("files", path)
        if isinstance(kept, dict):
            return base64.b64decode(str(kept.get("base64") or ""))
        return kept.encode() if isinstance(kept, str) else None

    def names(self, path: str) -> list[str] | None:
        found = self._of("names", path)
        return [str(one) for one in found] if isinstance(found, list) else None

    def link(self, path: str) -> str | None:
        found = self._of("links", path)
        return found if isinstance(found, str) else None

    def real(self, path: str) -> str:
        found = self._of("reals", path)
        return found if isinstance(found, str) else path

    def exists(self, path: str) -> bool:
        return self._of("exists", path) is True

    def node(self, path: str) -> Node | None:
        found = self._of("nodes", path)
        return Node(*found) if isinstance(found, list) and len(found) == len(Node._fields) else None

    def program(self, name: str) -> str | None:
        found = self._of("programs", name)
        return found if isinstance(found, str) else None

    def run_path(
        self, path: str, *arguments: str, ref: str = "", timeout: float | None = None, tidying: bool = False
    ) -> Run:
        shown = " ".join((ref or path, *arguments))
        kept = self._of("runs", _key(ref or path, arguments, "/"))
        if not isinstance(kept, dict):
            return Run(shown, None, "", "", "was not run when this bundle was made", 0.0)
        rc, problem = kept.get("rc"), kept.get("problem")
        said = (str(kept.get("stdout") or ""), str(kept.get("stderr") or ""))
        return Run(shown, rc if isinstance(rc, int) else None, *said, problem and str(problem), 0.0)


def read(path: str) -> dict[str, t.Any]:
    """A bundle from its file; ValueError says what is wrong with it."""
    with open(path, encoding="utf-8") as file:
        document = json.load(file)
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ValueError(f"{path} is no bundle of gpu_visibility_info (its format would be {FORMAT!r})")
    return document


def cleaned(document: t.Any, people: t.Sequence[str], host: str = "") -> t.Any:
    """Without secrets, and with user1, user2, ... for the names of people. Each stays the same all through."""
    names = {name: f"user{number}" for number, name in enumerate(people, 1)}
    if len(host) > 3 and host.lower() not in _WORDS:
        names[host] = "host"
    word = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    person = re.compile(rf"(?<![A-Za-z0-9])(?:{word})(?![A-Za-z0-9])") if names else None

    def text(value: str) -> str:
        value = _IN_URL.sub(r"\1***@", value)
        value = _VARIABLE.sub(lambda one: one[0] if _PUBLIC.search(one[1]) else f'"{one[1]}=***"', value)
        value = _FORMS.sub("***", _OPTION.sub(r"\1\2***", _SECRET.sub(r"\1\2***", value)))
        value = _SERIAL.sub(r"\1***", _LONG.sub("***", value))
        return person.sub(lambda found: names[found[0]], value) if person else value

    def walk(value: t.Any) -> t.Any:
        if isinstance(value, str):
            return text(value)
        if isinstance(value, dict):
            return {text(str(key)): walk(one) for key, one in value.items()}
        return [walk(one) for one in value] if isinstance(value, list) else value

    return walk(document)


def _text(raw: bytes) -> t.Any:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    return {"base64": base64.b64encode(raw[:_MOST]).decode()} if "\0" in text else shortened(text, _MOST)


def _key(ref: str, arguments: t.Sequence[str], root: str) -> str:
    """What a program was asked, without what is another thing each time: names, limits, our own scripts."""
    told = []
    for argument in arguments:
        asked = re.search(r"found = \{\"framework\": '(\w+)'", argument)
        if asked:
            told.append(f"<{asked[1]}>")
        elif "nvidia-smi -L" in argument and "\n" in argument:
            told.append("<look>")
        elif "nvmlInit" in argument and "\n" in argument:
            told.append("<nvmlInit>")
        elif not (told and told[-1] == "<look>" and argument.isdigit()):
            plain = argument[len(root.rstrip("/")) :] if root != "/" and argument.startswith(root) else argument
            told.append(re.sub(r"gpulab-probe-\d+-[0-9a-f]{8}", "gpulab-probe", plain))
    return " ".join((ref, *told))
