# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes one deb822 source the only active entry of its repository."""

from __future__ import annotations

import os
import tempfile
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import fetch_url
from ansible_collections.gpulab.workstation.plugins.module_utils._apt_sources import entries, openpgp, source

_PARTS = "etc/apt/sources.list.d"
# Bytes of a key at most: Docker's has 4 KiB, those of archives with many signatures a hundred.
_KEY_SIZE = 2**20


class AptSourceError(Exception):
    """Cannot be done; the message is a sentence for the operator."""


class AptSourceManager:
    def __init__(self, module: AnsibleModule) -> None:
        self._module = module
        self._root: str = module.params["root"]
        self._path = f"/{_PARTS}/{module.params['name']}.sources"
        self._keyring: str = module.params["keyring"] or f"/etc/apt/keyrings/{module.params['name']}.asc"
        self._changed = False
        self._diff: list[dict[str, str]] = []

    def present(self) -> dict[str, t.Any]:
        # First, so that a refused key leaves the sources as they are.
        origin = self._provide_key()
        migrated = self._migrate()
        wanted = source.Source(
            uri=self._module.params["uri"],
            suites=self._module.params["suites"],
            components=self._module.params["components"],
            architectures=self._module.params["architectures"],
            keyring=self._keyring,
            key_origin=origin,
        )
        self._write(self._path, source.render(wanted))
        return self._result(migrated=migrated)

    def absent(self) -> dict[str, t.Any]:
        for path in (self._path, self._keyring):
            real = self._real(path)
            if os.path.lexists(real):
                self._changed = True
                self._diff.append(
                    {"before_header": path, "before": "present\n", "after_header": path, "after": "absent\n"}
                )
                if not self._module.check_mode:
                    os.unlink(real)
        return self._result(migrated=[])

    def _result(self, **more: t.Any) -> dict[str, t.Any]:
        return {"changed": self._changed, "path": self._path, "keyring": self._keyring, "diff": self._diff, **more}

    def _real(self, path: str) -> str:
        return os.path.join(self._root, path.lstrip("/"))

    def _migrate(self) -> list[dict[str, t.Any]]:
        uris = [self._module.params["uri"], *self._module.params["replaces"]]
        note = f"Switched off by Ansible, {self._path} replaces it"
        migrated: list[dict[str, t.Any]] = []
        for path in self._files():
            text = self._read(path)
            deb822 = path.endswith(".sources")
            found = entries.find(text, deb822, uris)
            if not found:
                continue
            backup = "" if self._module.check_mode else self._module.backup_local(os.path.realpath(self._real(path)))
            self._write(path, entries.switch_off(text, deb822, uris, note))
            migrated += [{"file": path, "line": one.line, "entry": one.text, "backup_file": backup} for one in found]
        return migrated

    def _files(self) -> list[str]:
        """The files that apt reads, except the one that is being written."""
        folder = self._real(_PARTS)
        names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
        paths = [
            "/etc/apt/sources.list",
            *(f"/{_PARTS}/{name}" for name in names if name.endswith((".list", ".sources"))),
        ]
        return [path for path in paths if path != self._path and os.path.isfile(self._real(path))]

    def _provide_key(self) -> str:
        """Puts the key where Signed-By points, and says where it came from."""
        wanted, problem = openpgp.read_wanted(self._module.params["fingerprint"])
        if problem:
            raise AptSourceError(f"{problem}. Correct `fingerprint`; `gpg --show-keys FILE` shows that of a key.")
        key: str | None = self._module.params["key"]
        if key:
            text = key.strip() + "\n"
            self._check_key(text, "The key in `key`", wanted)
            self._write(self._keyring, text)
            return source.inline_origin(key)
        url: str = self._module.params["key_url"]
        if not wanted:
            self._refuse_plain_way(url)
        here = os.path.exists(self._real(self._keyring)) and not (
            wanted and source.problem_with_key(self._read(self._keyring).encode("latin-1"), wanted)
        )
        same_origin = os.path.exists(self._real(self._path)) and source.key_origin_in(self._read(self._path)) == url
        if here and same_origin and not self._module.params["refresh_key"]:
            return url
        if self._module.check_mode:
            self._changed = True
            return url
        text, answered = self._fetch(url)
        if not wanted:
            self._refuse_plain_way(answered)
        self._check_key(text, f"What {url} answers", wanted)
        self._write(self._keyring, text)
        return url

    @staticmethod
    def _refuse_plain_way(url: str) -> None:
        if source.may_be_replaced(url):
            raise AptSourceError(
                f"Whoever is between this host and {url} can replace the signing key, and so the packages. Give the "
                f"key's `fingerprint`, or the key itself in `key`, or fetch it over https."
            )

    @staticmethod
    def _check_key(text: str, what: str, wanted: list[str]) -> None:
        problem = source.problem_with_key(text.encode("latin-1"), wanted)
        if problem:
            advice = " If that is the archive's, set `fingerprint` to it; its owner publishes it." if wanted else ""
            raise AptSourceError(f"{what} {problem}. It is not used.{advice}")

    def _fetch(self, url: str) -> tuple[str, str]:
        """What it answers, and where the answer came from in the end."""
        response, info = fetch_url(self._module, url, timeout=self._module.params["timeout"])
        # A file: URL has no status.
        if response is None or info["status"] not in (200, None):
            raise AptSourceError(
                f"The signing key cannot be fetched from {url}: {info['msg']}. Check the URL, and the host's proxy and "
                "CA certificates, or give the key itself in `key`."
            )
        content: bytes = response.read(_KEY_SIZE + 1)
        if len(content) > _KEY_SIZE:
            raise AptSourceError(f"What {url} answers is no signing key: it has more than {_KEY_SIZE} bytes.")
        return content.decode("latin-1"), info.get("url") or url

    def _read(self, path: str) -> str:
        # latin-1 keeps every byte as it is; line ends too.
        with open(self._real(path), encoding="latin-1", newline="") as file:
            return file.read()

    def _write(self, path: str, text: str) -> None:
        content = text.encode("latin-1")
        real = os.path.realpath(self._real(path))
        before = self._read(path) if os.path.exists(real) else ""
        if before == text and os.path.exists(real):
            return
        self._changed = True
        self._diff.append({"before_header": path, "before": before, "after_header": path, "after": text})
        if self._module.check_mode:
            return
        new = not os.path.exists(real)
        os.makedirs(os.path.dirname(real), mode=0o755, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=self._module.tmpdir)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        self._module.atomic_move(temporary, real)
        if new:
            # apt reads as its own user, whatever the umask of this session.
            self._module.set_mode_if_different(real, 0o644, False)
