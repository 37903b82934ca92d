# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One run of the module: read, decide, validate, replace, remember."""

from __future__ import annotations

import os
import tempfile
import typing as t
from contextlib import contextmanager
from pathlib import Path

from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config import record as records
from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.document import Document, load
from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.engine import (
    NOT_RUNNING,
    find_dockerd,
    running_engine,
)
from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.errors import DaemonConfigError
from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.files import read
from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.flags import (
    REMEDY,
    conflicts,
    parse_flags,
)
from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.impact import (
    after_reload,
    pending,
    strongest,
)
from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.masking import mask_credentials
from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.merge import (
    Config,
    changed_paths,
    check_request,
    dotted,
    merge_settings,
    remove,
)
from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.rewrite import rewrite
from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.units import Word, engine_command
from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.validation import (
    check_by_table,
    unknown_log_options,
    validate_by_engine,
)
from ansible_collections.gpulab.workstation.plugins.module_utils._untrusted.files import sync

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


class DaemonConfigManager:
    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.root: str = module.params["root"]
        self.path: str = module.params["path"]
        self.state_path: str = module.params["state_path"]
        self.real_path, self.raw = read(self.root, self.path)
        self.document = load(self.raw or b"", self.path)
        self.engine = running_engine(self.root, self.path)
        self.stored = self._stored_record()
        self.settled = self._proven(
            records.settle(self.stored, self.document.value, records.digest(self.raw), self.engine)
        )

    def manage(self) -> dict[str, t.Any]:
        """Merge the settings, replace the file where that changes it."""
        absent = check_request(self.module.params["settings"] or {}, self.module.params["absent"] or [])
        wanted = remove(merge_settings(self.document.value, self.module.params["settings"] or {}), absent)
        changed_keys = changed_paths(self.document.value, wanted)
        result: dict[str, t.Any] = {"changed": bool(changed_keys) or self.document.has_bom, "validated_by": "none"}
        command: list[Word] = []
        if self.module.params["validate"]:
            command = engine_command(self.root)
            self._check_flags(wanted, command)
        if result["changed"]:
            if self.module.params["validate"]:
                self._check_log_options(wanted)
            text = rewrite(self.document, wanted)
            result.update(self._write(text, command))
            if self.module._diff:
                result["diff"] = self._diff(text)
        else:
            self._remember(self.settled)
        result["changed_keys"] = [list(path) for path in changed_keys]
        return {**result, **self._outstanding(self.settled.acknowledged, wanted)}

    def acknowledge(self, event: str) -> dict[str, t.Any]:
        """Record that the engine has taken the file as it stands."""
        current = self.document.value
        held = current if event == "started" else after_reload(self.settled.acknowledged, current)
        before = self.stored.acknowledged if self.stored else None
        self._remember(self._proven(self.settled._replace(acknowledged=held)))
        return {
            "changed": held != before,
            "changed_keys": [],
            "validated_by": "none",
            **self._outstanding(held, current),
        }

    def restore(self) -> dict[str, t.Any]:
        """Put back the last file that an engine ran with."""
        proven = self.settled.proven
        result: dict[str, t.Any] = {"changed": False, "changed_keys": [], "validated_by": "none", "restored": False}
        if proven is None or proven == self.document.text:
            return {**result, **self._outstanding(self.settled.acknowledged, self.document.value)}
        # nvidia-ctk cannot read an empty file.
        raw = (proven or "{}\n").encode("utf-8")
        held = load(raw, self.path).value
        changed_keys = changed_paths(self.document.value, held)
        result.update(changed=True, restored=True, changed_keys=[list(path) for path in changed_keys])
        self.settled = self.settled._replace(acknowledged=held)
        if not self.module.check_mode:
            with _temporary(os.path.dirname(self.real_path), raw) as temporary:
                result.update(self._replace(temporary, raw, keep_old=True))
        return {**result, **self._outstanding(held, held)}

    def report(self) -> dict[str, t.Any]:
        """Say what is outstanding; remember what was observed, so that a later run can conclude from it."""
        self._remember(self.settled)
        return {
            "changed": False,
            "changed_keys": [],
            "validated_by": "none",
            **self._outstanding(self.settled.acknowledged, self.document.value),
        }

    def _proven(self, record: records.Record) -> records.Record:
        return records.prove(record, self.document.value, self.document.text)

    def _outstanding(self, acknowledged: Config, current: Config) -> dict[str, t.Any]:
        # An engine that is not running reads the whole file when it starts.
        changes = [] if self.engine == NOT_RUNNING else pending(acknowledged, current)
        return {
            "requires": strongest(changes),
            "pending": [{"key": list(change.key), "requires": change.requires} for change in changes],
            "real_path": self.real_path,
        }

    def _diff(self, text: str) -> dict[str, str]:
        return {
            "before_header": self.path,
            "after_header": self.path,
            "before": mask_credentials(self.document.text),
            "after": mask_credentials(text),
        }

    def _check_flags(self, wanted: Config, command: list[Word]) -> None:
        problems = conflicts(wanted, parse_flags(command))
        if problems:
            raise DaemonConfigError(" ".join([*problems, REMEDY]))

    def _check_log_options(self, wanted: Config) -> None:
        driver, unknown = unknown_log_options(wanted)
        if unknown:
            keys = ", ".join(dotted(("log-opts", key)) for key in unknown)
            raise DaemonConfigError(
                f"{self.path} was left as it is: {keys} is no option of the log driver {driver}, and dockerd would "
                "refuse to start with it. Take it out of settings, or list it in absent if it is in the file already."
            )

    def _write(self, text: str, command: list[Word]) -> dict[str, t.Any]:
        raw = text.encode("utf-8")
        directory = os.path.dirname(self.real_path)
        result: dict[str, t.Any] = {"validated_by": "none"}
        if not self.module.check_mode:
            _make_directory(directory)
        # Check mode leaves no trace, not even for a moment.
        with _temporary(self.module.tmpdir if self.module.check_mode else directory, raw) as temporary:
            if self.module.params["validate"]:
                result["validated_by"] = self._validate(temporary, load(raw, self.path), command)
            if not self.module.check_mode:
                result.update(self._replace(temporary, raw, self.module.params["backup"]))
        return result

    def _validate(self, temporary: str, document: Document, command: list[Word]) -> str:
        dockerd = find_dockerd(self.root, command)
        try:
            if dockerd is not None and validate_by_engine(dockerd, temporary, self.path, self._run):
                return "engine"
        except DaemonConfigError as error:
            # dockerd names neither the line nor, inside an object, the key.
            hints, _warnings = check_by_table(document, engine_before_23=False)
            if not hints:
                raise
            raise DaemonConfigError(f"{error}. In the file as it would have been, {'; '.join(hints)}.") from error
        errors, warnings = check_by_table(document, engine_before_23=dockerd is not None)
        if errors:
            raise DaemonConfigError(
                f"{self.path} would not be a valid configuration and was left as it is: {'; '.join(errors)}. "
                "Correct settings; validate=false skips this check."
            )
        for warning in warnings:
            self.module.warn(f"{self.path}, {warning}; dockerd refuses to start with an option that it does not know.")
        return "builtin"

    def _run(self, command: list[str]) -> tuple[int, str, str]:
        code, out, err = self.module.run_command(command, handle_exceptions=False)
        return code, out, err

    def _replace(self, temporary: str, raw: bytes, keep_old: bool) -> dict[str, t.Any]:
        result: dict[str, t.Any] = {}
        if read(self.root, self.path) != (self.real_path, self.raw):
            raise DaemonConfigError(f"{self.path} was changed by another process during this run; run the task again.")
        if keep_old and self.raw is not None:
            result["backup_file"] = self.module.backup_local(self.real_path)
        # Remembered first: a run broken off right after the replacement must find that it is not acknowledged.
        record = self.settled._replace(digest=records.digest(raw), engine=self.engine)
        self._remember(record)
        created = self.raw is None
        self.module.atomic_move(temporary, self.real_path)
        sync(Path(self.real_path).parent)
        if created:
            os.chmod(self.real_path, 0o644)
        # An engine that started in the meantime may have read either file.
        self.engine = running_engine(self.root, self.path)
        self._remember(record._replace(engine=self.engine))
        return result

    def _stored_record(self) -> records.Record | None:
        _real, raw = read(self.root, self.state_path)
        if raw is None:
            return None
        record = records.parse(raw.decode("utf-8", "replace"), self.state_path, self.path)
        if record is None:
            self.module.warn(
                f"{self.state_path} is damaged and is written anew. What an earlier run left for the engine to take "
                "is not known any more; restart the engine if in doubt."
            )
        return record

    def _remember(self, record: records.Record) -> None:
        if self.module.check_mode or record == self.stored:
            return
        real, _raw = read(self.root, self.state_path)
        _make_directory(os.path.dirname(real))
        with _temporary(os.path.dirname(real), records.dump(record, self.path).encode("utf-8")) as temporary:
            self.module.atomic_move(temporary, real)
        # The configuration can hold the password of a proxy.
        os.chmod(real, 0o600)
        self.stored = record


def _make_directory(directory: str) -> None:
    try:
        os.makedirs(directory, mode=0o755, exist_ok=True)
    except OSError as error:
        raise DaemonConfigError(f"{directory} cannot be made: {error.strerror}. Run the task with become.") from error


@contextmanager
def _temporary(directory: str, raw: bytes) -> t.Iterator[str]:
    try:
        handle, name = tempfile.mkstemp(dir=directory, prefix=".daemon.json.")
    except OSError as error:
        raise DaemonConfigError(
            f"{directory} cannot be written to: {error.strerror}. Run the task with become."
        ) from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(raw)
            file.flush()
            # Else a power cut may leave an empty file under the name that it gets.
            os.fsync(file.fileno())
        yield name
    finally:
        if os.path.exists(name):
            os.unlink(name)
