# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import copy
import csv
import functools
import hashlib
import io
import json
import re
import typing as t
from collections import Counter
from html.parser import HTMLParser

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.gpulab.workstation.plugins.filter.fleet_report import fleet_report
from ansible_collections.gpulab.workstation.plugins.plugin_utils._fleet_report import page
from ansible_collections.gpulab.workstation.tests.e2e import lab
from hypothesis import given, settings
from hypothesis import strategies as some

HOSTILE = (
    "<script>alert(1)</script>",
    "</style><img src=x onerror=alert(1)>",
    "\"' onmouseover='alert(1)",
    "</title><base href=//evil.example>",
    "{{ 7 * 7 }}{% raw %}",
    "<!-- &lt; &amp; ]]>",
    "\x1b[2Jclear \u202egpj.exe",
)
FORMATS = ("html", "json", "csv", "prometheus", "screen", "colours")


class Seen(HTMLParser):
    """What a browser would make of a page: its elements with their attributes' names, and all that is text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.shape: list[tuple[str, tuple[str, ...]]] = []
        self.text: list[str] = []
        self.links: list[str] = []
        self.policy = ""
        self._code = ""
        self.code: dict[str, str] = {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.shape.append((tag, tuple(name for name, _value in attrs)))
        values = dict(attrs)
        if values.get("http-equiv") == "Content-Security-Policy":
            self.policy = values["content"] or ""
        self.links += [values[name] or "" for name in ("href", "src", "action") if name in values]
        self._code = tag if tag in ("style", "script") else ""

    def handle_endtag(self, tag: str) -> None:
        self._code = ""

    def handle_data(self, data: str) -> None:
        if self._code:
            self.code[self._code] = data
        else:
            self.text.append(data)


def small() -> dict[str, t.Any]:
    """A report with everything in it, and few hosts."""
    return copy.deepcopy(_small())


@functools.cache
def _small() -> dict[str, t.Any]:
    report = t.cast("dict[str, t.Any]", lab.report())
    wanted = {"lab07", "lab14", "lab05", "lab17", "lab45", "lab60"}
    return {**report, "hosts": [host for host in report["hosts"] if host["name"] in wanted]}


def replaced(value: t.Any, place: t.Callable[[tuple[t.Any, ...], str], str], path: tuple[t.Any, ...] = ()) -> t.Any:
    """With every string that a host says replaced."""
    if isinstance(value, dict):
        return {key: replaced(inner, place, (*path, key)) for key, inner in value.items()}
    if isinstance(value, list):
        return [replaced(inner, place, (*path, number)) for number, inner in enumerate(value)]
    return place(path, value) if isinstance(value, str) else value


# These are this collection's own words, from which the page takes its form.
OWN = {"severity", "status", "schema_version", "made_at"}


def hostile(report: dict[str, t.Any], words: t.Callable[[int], str]) -> dict[str, t.Any]:
    counter = iter(range(100_000))

    def place(path: tuple[t.Any, ...], value: str) -> str:
        if path[-1] in OWN or "groups" in path or not value or path[-1] in ("url", "docs_url", "health", "confidence"):
            return value
        return words(next(counter))

    return t.cast("dict[str, t.Any]", replaced(report, place))


@functools.cache
def harmless() -> Seen:
    return Seen(fleet_report(hostile(small(), lambda _number: "word"), "html"))  # type: ignore[arg-type]


def test_same_lab_every_time() -> None:
    assert lab.report() == lab.report()
    assert Counter(host["severity"] for host in lab.report()["hosts"]) == {
        "unreachable": 3,
        "attention": 7,
        "pending": 14,
        "fine": 34,
        "not_asked": 2,
    }


# The page


def test_opened_row_shows_what_was_seen() -> None:
    """Of what is wrong, with its exit code and its own words; inside the row, which is closed at first."""
    page = fleet_report(small(), "html")  # type: ignore[arg-type]
    details = re.findall(r"<details\b.*?</details>", page, re.S)
    shown = [row for row in details if 'class="evidence"' in row]
    assert shown, "no row shows evidence"
    assert all(
        re.search(r"<code>nvidia-smi -L \(exit 15\)</code></p>\n<pre>GPU is lost.\nReboot.</pre>", row) for row in shown
    )
    assert all("<details open" not in row for row in details)
    assert page.count('class="evidence"') == sum(row.count('class="evidence"') for row in shown)


def test_hostile_words_stay_words() -> None:
    plain = harmless()
    for words in HOSTILE:
        seen = Seen(fleet_report(hostile(small(), lambda _number, words=words: words), "html"))  # type: ignore[arg-type,misc]
        assert seen.shape == plain.shape, words
        assert seen.code == plain.code
        assert words in "".join(seen.text)


@settings(max_examples=25, deadline=None)
@given(some.lists(some.text(some.characters(exclude_categories=["Cs"]), min_size=1), min_size=1, max_size=40))
def test_no_words_change_the_page(words: list[str]) -> None:
    plain = harmless()
    seen = Seen(fleet_report(hostile(small(), lambda number: words[number % len(words)]), "html"))  # type: ignore[arg-type]
    assert seen.shape == plain.shape
    assert seen.code == plain.code
    assert seen.policy == plain.policy


def test_page_loads_nothing() -> None:
    text = fleet_report(lab.report(), "html")
    seen = Seen(text)
    for kind in ("style", "script"):
        digest = base64.b64encode(hashlib.sha256(seen.code[kind].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in seen.policy
    assert "default-src 'none'" in seen.policy
    assert not re.search(r"@import|url\(", seen.code["style"])
    # A link is followed when somebody asks for it; nothing else has an address.
    assert {tag for tag, names in seen.shape if "href" in names} == {"a", "use"}
    assert not [
        tag for tag, names in seen.shape if {"src", "style"} & set(names) or any(n.startswith("on") for n in names)
    ]


@pytest.mark.parametrize(
    ("url", "opens"),
    [
        ("https://lab01.example.org:8888/lab", True),
        ("http://192.0.2.1:8888/lab", True),
        ("http://127.0.0.1:8888/lab", False),
        ("http://[::1]:8888/lab", False),
        ("http://localhost:8888/lab", False),
        ("javascript:alert(1)", False),
        (" JavaScript:alert(1)", False),
        ("data:text/html,x", False),
        ("//evil.example/x", False),
        ("https://[broken", False),
        ("", False),
    ],
)
def test_links(url: str, opens: bool) -> None:
    report = small()
    for host in report["hosts"]:
        for notebook in host["notebooks"]:
            notebook["url"] = url
    assert (url in Seen(fleet_report(report, "html")).links) is opens  # type: ignore[arg-type]


def test_anchors_are_different_for_different_names() -> None:
    names = ["lab-1", "lab_1", "lab 1", "lab:1", "lab_5f_1", "löb"]
    anchors = {page._anchor(name) for name in names}
    assert len(anchors) == len(names)
    assert all(re.fullmatch(r"host-[\w.-]+", anchor, re.A) for anchor in anchors)


def test_refresh() -> None:
    assert 'http-equiv="refresh"' not in fleet_report(lab.report(), "html")
    assert '<meta http-equiv="refresh" content="60">' in fleet_report(lab.report(), "html", refresh=60)


def test_check_that_failed_is_said() -> None:
    report = small()
    report["check"] = {"status": "failed", "problem": "no <vault> password", "seconds": 1.0}
    assert "drift is not known of every host: no <vault> password" in "".join(Seen(fleet_report(report, "html")).text)  # type: ignore[arg-type]
    assert "no <vault> password" in fleet_report(report)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("counts", "problem", "headline"),
    [
        ({"fine": 4}, "", "All is well"),
        ({"fine": 3, "attention": 1}, "no vault", "1 of 4 need attention"),
        ({"fine": 2, "pending": 2}, "", "2 pending"),
        ({"fine": 1, "not_asked": 3}, "", "1 of 4 asked"),
        ({"fine": 4}, "no vault", "check not completed"),
        ({"fine": 2, "pending": 1, "not_asked": 1}, "no vault", "1 pending, 3 of 4 asked, check not completed"),
    ],
)
def test_headline(counts: dict[str, int], problem: str, headline: str) -> None:
    hosts = lab.report()["hosts"][: sum(counts.values())]
    counted = {**dict.fromkeys(lab.report()["counts"], 0), **counts}
    check = {"status": "failed", "problem": problem, "seconds": 0.0}
    report = {**lab.report(), "hosts": hosts, "counts": counted, "check": check}
    assert f"<title>{headline} - GPU lab</title>" in fleet_report(report, "html")  # type: ignore[arg-type]


# The other forms


def test_json_is_the_report() -> None:
    assert json.loads(fleet_report(lab.report(), "json")) == lab.report()


@pytest.mark.parametrize("words", [*"=+-@", "\t", "\r", "\n", "\uff1d"])
def test_csv_has_no_formulas(words: str) -> None:
    report = hostile(small(), lambda _number: f'{words}HYPERLINK("https://evil.example")')
    rows = list(csv.reader(io.StringIO(fleet_report(report, "csv"), newline="")))  # type: ignore[arg-type]
    assert len(rows) == 7
    assert len({len(row) for row in rows}) == 1
    cells = [cell for row in rows for cell in row if "HYPERLINK" in cell]
    assert len(cells) > 20
    assert all(cell.startswith("'") for cell in cells)


def test_csv_has_no_formulas_where_semicolons_split_it() -> None:
    report = small()
    for host in report["hosts"]:
        host["summary"] = 'x;=HYPERLINK("http://e"); "+1;\t-2 of a-b'
    text = fleet_report(report, "csv")  # type: ignore[arg-type]
    assert {row["summary"] for row in csv.DictReader(io.StringIO(text))} == {
        "x;'=HYPERLINK(\"http://e\"); \"'+1;\t'-2 of a-b"
    }
    assert all(line.startswith('"') and line.endswith('"') for line in text.splitlines())


def test_layers_are_sorted_by_their_place() -> None:
    gpus = lab._gpus(14, "T4", 2)
    assert page._depth(gpus) == "4"  # type: ignore[arg-type]
    assert page._depth({**gpus, "first_broken_layer": None}) == ""  # type: ignore[typeddict-item]


def test_csv() -> None:
    rows = {row["host"]: row for row in csv.DictReader(io.StringIO(fleet_report(lab.report(), "csv")))}
    assert len(rows) == lab.HOSTS
    assert rows["lab31"]["gpus"] == "3"
    assert rows["lab31"]["findings"] == "gpu_lost"
    assert rows["lab05"]["drift_tasks"] == "2"
    assert (rows["lab07"]["severity"], rows["lab07"]["gpus"]) == ("unreachable", "")


SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (\S+)')
UNESCAPED = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """By the grammar of the text format."""
    found: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    assert text.endswith("\n")
    kinds: dict[str, str] = {}
    for line in text[:-1].split("\n"):
        if line.startswith("# TYPE "):
            _hash, _type, name, kind = line.split(" ")
            assert name not in kinds
            kinds[name] = kind
        if line.startswith("#"):
            continue
        parsed = SAMPLE.fullmatch(line)
        assert parsed, line
        name, labels, value = parsed.groups()
        assert name in kinds, name
        key = (
            name,
            tuple(
                (label, re.sub(r'\\[\\"n]', lambda escape: UNESCAPED[escape[0]], text))
                for label, text in LABEL.findall(labels or "")
            ),
        )
        assert key not in found, line
        found[key] = float(value)
    return found


def test_prometheus() -> None:
    found = samples(fleet_report(lab.report(), "prometheus"))
    assert found["gpulab_report_timestamp_seconds", ()] == lab.MADE_AT
    assert found["gpulab_hosts", (("severity", "unreachable"),)] == 3
    assert found["gpulab_host_reachable", (("host", "lab07"),)] == 0
    assert found["gpulab_layer_ok", (("host", "lab14"), ("layer", "nvml"))] == 0
    assert found["gpulab_layer_ok", (("host", "lab01"), ("layer", "nvml"))] == 1
    assert ("gpulab_layer_ok", (("host", "lab14"), ("layer", "container"))) not in found
    assert found["gpulab_notebook_healthy", (("host", "lab17"), ("notebook", "ada"))] == 0
    assert found["gpulab_image_is_wanted", (("host", "lab09"),)] == 0
    assert found["gpulab_drift_tasks", (("host", "lab05"),)] == 2
    assert found["gpulab_disk_free_bytes", (("host", "lab34"), ("path", "/"))] == 4 * 2**30
    assert not [key for key in found if ("host", "lab60") in key[1]]


@settings(max_examples=25, deadline=None)
@given(some.lists(some.text(some.characters(exclude_categories=["Cs"]), min_size=1), min_size=1, max_size=20))
def test_prometheus_takes_any_word(words: list[str]) -> None:
    report = small()
    for number, host in enumerate(report["hosts"]):
        host["name"] = f"{number}{words[number % len(words)]}"
        for notebook in host["notebooks"]:
            notebook["name"] = words[0]
    found = samples(fleet_report(report, "prometheus"))  # type: ignore[arg-type]
    for host in report["hosts"]:
        if host["reachable"] is not None:
            assert ("gpulab_host_reachable", (("host", host["name"]),)) in found


def test_screen() -> None:
    lines = fleet_report(lab.report()).splitlines()
    assert lines[0] == "lab07  unreachable         ssh: connect to host lab07.example.org port 22: No route to host"
    assert lines[-1] == "60 hosts: 3 unreachable, 7 need attention, 14 pending or drifted, 34 fine, 2 not asked"
    assert len(lines) == lab.HOSTS + 2
    coloured = fleet_report(lab.report(), "colours")
    assert re.sub(r"\x1b\[\d+m", "", coloured) == "\n".join(lines)


def test_terminal_is_not_driven_by_a_host() -> None:
    text = fleet_report(hostile(small(), lambda _number: "\x1b]0;owned\x07\x9b2J\nfake"))  # type: ignore[arg-type]
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", text)
    assert len(text.splitlines()) == 8


@pytest.mark.parametrize("form", FORMATS)
def test_empty_lab(form: str) -> None:
    report = {**lab.report(), "hosts": [], "counts": dict.fromkeys(lab.report()["counts"], 0)}
    assert fleet_report(report, form)  # type: ignore[arg-type]


def test_wrong_input() -> None:
    with pytest.raises(AnsibleFilterError, match="schema_version 1"):
        fleet_report({"hosts": []})  # type: ignore[typeddict-item]
    with pytest.raises(AnsibleFilterError, match="no format 'pdf'; it has html, json"):
        fleet_report(lab.report(), "pdf")
