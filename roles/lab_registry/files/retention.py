# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which images a registry keeps, and when its storage may be cleaned; the registry's own collector frees the space.

Its --delete-untagged also takes what an index names and no tag does: the image itself, where an engine with
containerd's store has pushed an index (distribution/distribution#3178). So what is to go is decided here, by following
indexes.

    retention.py quiet STORAGE             exits with 1 while somebody pushes, or where nothing was pushed yet
    retention.py expire STORAGE --keep 10 --grace 86400
    retention.py space STORAGE --limit 85  warns when more percent of the file system are in use
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
import typing as t

# An image is pushed layer by layer, with pauses in which an engine compresses the next one.
PAUSE = 15 * 60
# What systemd takes for the priority of a line: warning.
WARNING = "<4>"


class Tag(t.NamedTuple):
    """A tag, the manifest that it names, and when it was pushed."""

    name: str
    digest: str
    pushed: float


class DoubtError(Exception):
    """The storage is not what this program knows, so nothing is removed."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    quiet = commands.add_parser("quiet")
    quiet.add_argument("storage")
    expire = commands.add_parser("expire")
    expire.add_argument("storage")
    expire.add_argument("--keep", type=int, required=True)
    expire.add_argument("--grace", type=float, required=True)
    space = commands.add_parser("space")
    space.add_argument("storage")
    space.add_argument("--limit", type=int, required=True)
    arguments = parser.parse_args()
    if arguments.command == "space":
        warning = short_of_space(arguments.storage, arguments.limit)
        sys.stdout.write(f"{WARNING}{warning}\n" if warning else "")
        return 0
    registry = os.path.join(arguments.storage, "docker/registry/v2")
    if arguments.command == "quiet":
        reason = why_not_now(registry, time.time())
        sys.stdout.write(f"{reason}\n" if reason else "")
        return 1 if reason else 0
    try:
        for sentence in expire_all(registry, arguments.keep, time.time() - arguments.grace):
            sys.stdout.write(f"{sentence}\n")
    except (DoubtError, OSError) as error:
        sys.stderr.write(f"Nothing more is removed: {error}.\n")
        return 1
    return 0


# When


def why_not_now(registry: str, now: float) -> str:
    """By what the account `push` has sent. Connections do not count: anybody may open one, and be silent."""
    if not os.path.isdir(os.path.join(registry, "repositories")):
        return "Nothing was pushed yet, so there is nothing to clean."
    for repository in pushed_to(registry, now):
        return (
            f"Somebody pushes to {repository}: a part of an image came in the last {PAUSE // 60} minutes. "
            "The storage is cleaned another time."
        )
    return ""


def pushed_to(registry: str, now: float) -> t.Iterator[str]:
    """Repositories with a recent upload that has not ended, or a recent layer that no manifest names yet."""
    top = os.path.join(registry, "repositories")
    for directory, children, _files in os.walk(top):
        parts = os.path.join(directory, "_layers", "sha256")
        layers = {f"sha256:{name}" for name in (os.listdir(parts) if os.path.isdir(parts) else [])}
        recent = {digest for digest in layers if is_recent(os.path.join(parts, digest[7:], "link"), now)}
        if recent - (named(registry, os.path.join(directory, "_manifests")) if recent else set()) or any(
            is_recent(os.path.join(parent, name), now)
            for parent, _children, files in os.walk(os.path.join(directory, "_uploads"))
            for name in files
        ):
            yield os.path.relpath(directory, top)
        children[:] = sorted(name for name in children if not name.startswith("_"))


def is_recent(path: str, now: float) -> bool:
    try:
        # Also in the future: the clock was set back.
        return abs(now - os.stat(path).st_mtime) < PAUSE
    except OSError:
        # An upload that ends is moved away.
        return False


def named(registry: str, manifests: str) -> set[str]:
    """The layers and configurations of a repository's images."""
    directory = os.path.join(manifests, "revisions", "sha256")
    found = set()
    for name in os.listdir(directory) if os.path.isdir(directory) else []:
        try:
            content = manifest(registry, f"sha256:{name}")
            parts = [content.get("config") or {}, *(content.get("layers") or [])]
            found |= {part["digest"] for part in parts if "digest" in part}
        except (DoubtError, TypeError, AttributeError):
            # Nothing can be said of what it names.
            continue
    return found


# Space


def short_of_space(storage: str, limit: int) -> str:
    """Counted as df does, without root's reserve."""
    status = os.statvfs(storage)
    used = status.f_blocks - status.f_bfree
    percent = -(-100 * used // (used + status.f_bavail)) if used + status.f_bavail else 100
    if percent <= limit:
        return ""
    return (
        f"{percent} % of the file system of {storage} are in use, more than lab_registry_disk_limit ({limit}), and "
        f"{status.f_bavail * status.f_frsize / 1e9:.1f} GB are free. "
        "Lower lab_registry_keep, or move lab_registry_storage."
    )


# What


def expire_all(registry: str, keep: int, untouched_since: float) -> t.Iterator[str]:
    for repository in repositories(registry):
        manifests = os.path.join(registry, "repositories", repository, "_manifests")
        found = tags(manifests)
        gone = expired(found, keep)
        for tag in gone:
            # What the registry itself does for a tag that is deleted.
            shutil.rmtree(os.path.join(manifests, "tags", tag.name))
            yield f"{repository}:{tag.name} is older than the {keep} newest of its kind, and was removed."
        kept = {tag.digest for tag in found if tag not in gone}
        for digest in unreachable(registry, manifests, kept, untouched_since):
            shutil.rmtree(revision(manifests, digest))
            yield f"{repository}@{digest} has no tag, and was removed."


def repositories(registry: str) -> list[str]:
    """Names may have slashes, and a repository may have others below it."""
    top = os.path.join(registry, "repositories")
    return sorted(
        os.path.relpath(directory, top) for directory, children, _files in os.walk(top) if "_manifests" in children
    )


def tags(manifests: str) -> list[Tag]:
    directory = os.path.join(manifests, "tags")
    found = []
    for name in sorted(os.listdir(directory)) if os.path.isdir(directory) else []:
        link = os.path.join(directory, name, "current", "link")
        # Without one, a push was broken off.
        if os.path.exists(link):
            found.append(Tag(name, read_link(link), os.stat(link).st_mtime))
    return found


def expired(found: t.Sequence[Tag], keep: int) -> list[Tag]:
    """All but the newest of each kind. gpu-01 and gpu-45 are of a kind: many of one do not drive out the other kind."""
    kinds: dict[str, list[Tag]] = {}
    for tag in sorted(found, key=lambda tag: tag.pushed, reverse=True):
        kinds.setdefault(tag.name.rpartition("-")[0], []).append(tag)
    return [tag for kind in kinds.values() for tag in kind[keep:]]


def unreachable(registry: str, manifests: str, kept: t.Iterable[str], untouched_since: float) -> list[str]:
    """Manifests of a repository that no tag leads to, and that were not pushed lately."""
    directory = os.path.join(manifests, "revisions", "sha256")
    known = {f"sha256:{name}" for name in (os.listdir(directory) if os.path.isdir(directory) else [])}
    reached: set[str] = set()
    waiting = [digest for digest in kept if digest in known]
    while waiting:
        digest = waiting.pop()
        if digest not in reached:
            reached.add(digest)
            waiting += [child for child in children(registry, digest) if child in known]
    return sorted(
        digest
        for digest in known - reached
        if os.stat(os.path.join(revision(manifests, digest), "link")).st_mtime < untouched_since
    )


def children(registry: str, digest: str) -> list[str]:
    """The manifests that an index names; none of a manifest that is no index."""
    try:
        return [one["digest"] for one in manifest(registry, digest).get("manifests") or []]
    except (TypeError, AttributeError, KeyError) as error:
        raise DoubtError(f"{digest} should be a manifest, and cannot be read as one ({error})") from error


def manifest(registry: str, digest: str) -> t.Any:
    algorithm, _colon, name = digest.partition(":")
    path = os.path.join(registry, "blobs", algorithm, name[:2], name, "data")
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError) as error:
        raise DoubtError(f"{path} should be a manifest, and cannot be read as one ({error})") from error


def revision(manifests: str, digest: str) -> str:
    return os.path.join(manifests, "revisions", *digest.split(":"))


def read_link(path: str) -> str:
    with open(path, encoding="ascii") as file:
        digest = file.read().strip()
    if not digest.startswith("sha256:"):
        raise DoubtError(f"{path} should name a SHA-256 digest, and has {digest[:80]!r}")
    return digest


if __name__ == "__main__":
    sys.exit(main())
