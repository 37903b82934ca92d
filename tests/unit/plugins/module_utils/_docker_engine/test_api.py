# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The questions to the engine, asked of a small server on a real socket."""

from __future__ import annotations

import http.server
import socketserver
import threading
import typing as t
from pathlib import Path

import pytest
from ansible_collections.gpulab.workstation.plugins.module_utils._docker_engine import api

ANSWERS = {
    "/info": (200, b'{"ServerVersion": "26.1.5"}'),
    "/broken": (500, b'{"message": "containerd is not running"}'),
    "/html": (200, b"<html>"),
    "/events": (
        200,
        b'{"Action":"reload","timeNano":1795228800250000000}\n{"Action":"reload","timeNano":1795228900000000000}\n',
    ),
}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status, body = ANSWERS[self.path.partition("?")[0]]
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: t.Any) -> None:  # noqa: A002 - the name is the base class's
        pass


@pytest.fixture
def engine(tmp_path: Path) -> t.Iterator[str]:
    path = str(tmp_path / "docker.sock")
    with socketserver.UnixStreamServer(path, Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield path
        server.shutdown()
        thread.join()


def test_answer(engine: str) -> None:
    assert api.get(engine, "/info", 5) == {"ServerVersion": "26.1.5"}


@pytest.mark.parametrize(("url", "words"), [("/broken", "500: containerd is not running"), ("/html", "not JSON")])
def test_wrong_answers(engine: str, url: str, words: str) -> None:
    with pytest.raises(api.EngineError, match=words):
        api.get(engine, url, 5)


def test_last_event(engine: str) -> None:
    assert api.last_event(engine, "daemon", "reload", 1795229000, 5) == 1795228900.0


def test_no_event(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ANSWERS, "/events", (200, b""))
    assert api.last_event(engine, "daemon", "reload", 1795229000, 5) == 0.0


def test_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(api.EngineError, match="nothing answers"):
        api.get(str(tmp_path / "docker.sock"), "/info", 5)
