# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the parts of the docs that the code already says: `make docs`.

roles/*/README.md     the table of variables, between its two markers, from meta/argument_specs.yml
docs/<kind>/*.md      a page per module, filter and callback plugin, from what ansible-doc says of it, and an index
docs/gpu_failures.md  the catalogue that gpu_visibility_info goes by
"""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from antsibull_docs_parser import dom
from antsibull_docs_parser.parser import Context, parse

ROOT = Path(__file__).resolve().parents[1]
COLLECTION = "gpulab.workstation"
BEGIN, END = "<!-- variables: begin -->", "<!-- variables: end -->"
NOTICE = "<!-- Generated from the code's own documentation: change that, then run `make docs`. -->"
KINDS = {"module": "modules", "filter": "filter", "callback": "callback"}
LAYERS = ["pci", "kernel_driver", "device_nodes", "nvml", "toolkit", "cdi", "docker", "container", "framework"]

Spec = Mapping[str, Any]


class DocsError(Exception):
    """What is wrong with the source of a page, in a sentence."""


# Markup


def code(text: str) -> str:
    """A code span; the fence is one longer than the longest run of backticks inside."""
    fence = "`" * (1 + max((len(run) for run in re.findall(r"`+", text)), default=0))
    pad = " " if text[:1] == "`" or text[-1:] == "`" else ""
    return f"{fence}{pad}{text}{pad}{fence}" if text else ""


def escape(text: str) -> str:
    # An underscore inside a word means nothing to Markdown, and names are full of them.
    return re.sub(r"[\\`*<]|(?<!\w)_|_(?!\w)", r"\\\g<0>", text)


class Markup:
    """Ansible's markup as Markdown, as seen from one page."""

    def __init__(self, page: Path, plugin: dom.PluginIdentifier) -> None:
        self.page = page
        self.context = Context(current_plugin=plugin, role_entrypoint="main" if plugin.type == "role" else None)

    def paragraphs(self, text: str | list[str] | None) -> list[str]:
        try:
            parsed = parse(text or [], self.context, errors="exception", strict=True)
        except ValueError as error:
            raise DocsError(f"{self.page}: {error}") from error
        return ["".join(map(self.part, paragraph)).strip() for paragraph in parsed]

    def cell(self, text: str | list[str] | None) -> str:
        return "<br>".join(self.paragraphs(text))

    def plugin(self, plugin: dom.PluginIdentifier) -> str:
        namespace, collection, name = plugin.fqcn.split(".", 2)
        if f"{namespace}.{collection}" != COLLECTION:
            url = f"https://docs.ansible.com/ansible/latest/collections/{namespace}/{collection}/{name}_{plugin.type}.html"
        elif plugin.type == "role":
            url = os.path.relpath(f"roles/{name}/README.md", self.page.parent)
        else:
            url = os.path.relpath(f"docs/{KINDS[plugin.type]}/{name}.md", self.page.parent)
        return f"[{code(plugin.fqcn)}]({url})"

    def part(self, part: dom.AnyPart) -> str:
        match part:
            case dom.TextPart():
                return escape(part.text)
            case dom.ItalicPart():
                return f"*{escape(part.text)}*"
            case dom.BoldPart():
                return f"**{escape(part.text)}**"
            case dom.CodePart():
                return code(part.text)
            case dom.OptionValuePart():
                return code(part.value)
            case dom.EnvVariablePart():
                return code(part.name)
            case dom.OptionNamePart() | dom.ReturnValuePart():
                return code(part.name if part.value is None else f"{part.name}={part.value}")
            case dom.ModulePart():
                return self.plugin(dom.PluginIdentifier(part.fqcn, "module"))
            case dom.PluginPart():
                return self.plugin(part.plugin)
            case dom.LinkPart():
                return f"[{escape(part.text)}]({part.url})"
            case dom.URLPart():
                return f"<{part.url}>"
            case _:
                raise DocsError(f"{self.page}: no Markdown for {part.type.name.lower()} markup ({part.source or part})")


# Tables


def table(head: list[str], rows: list[list[str]]) -> str:
    def line(cells: list[str]) -> str:
        return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"

    return "\n".join([line(head), line(["---"] * len(head)), *map(line, rows)])


def kind_of(spec: Spec) -> str:
    kind = spec.get("type", "str")
    return f"{kind} of {spec['elements']}" if "elements" in spec else str(kind)


def literal(value: Any) -> str:
    """As one would write it in YAML, on one line."""
    if isinstance(value, str) and re.fullmatch(r"[\w./{][^\n]*", value):
        return code(value)
    return code(re.sub(r"\s*\\n\s*", " ", json.dumps(value, ensure_ascii=False)))


def default_of(spec: Spec) -> str:
    if spec.get("required"):
        return "**required**"
    return literal(spec["default"]) if spec.get("default") is not None else ""


def options(specs: Spec, markup: Markup, prefix: str = "") -> Iterator[list[str]]:
    """A row per option, the options inside an option after it."""
    for name, spec in specs.items():
        text = markup.cell(spec.get("description"))
        if spec.get("choices"):
            text += f"<br>One of {', '.join(literal(choice) for choice in spec['choices'])}."
        yield [code(prefix + name), kind_of(spec), default_of(spec), text]
        inside = f"{prefix}{name}{'[]' if spec.get('type') == 'list' else ''}."
        yield from options(spec.get("options") or {}, markup, inside)


def returned(specs: Spec, markup: Markup, prefix: str = "") -> Iterator[list[str]]:
    for name, spec in specs.items():
        text = markup.cell(spec.get("description"))
        if "sample" in spec:
            text += f"<br>Sample: {literal(spec['sample'])}"
        yield [code(prefix + name), kind_of(spec), "".join(markup.paragraphs(spec.get("returned"))), text]
        inside = f"{prefix}{name}{'[]' if spec.get('type') == 'list' else ''}."
        yield from returned(spec.get("contains") or {}, markup, inside)


# Roles


def role_readme(role: Path) -> tuple[Path, str]:
    """The README of a role as it should be."""
    readme = role / "README.md"
    page = readme.relative_to(ROOT)
    if not readme.is_file():
        raise DocsError(f"{page} does not exist; write it, with the lines `{BEGIN}` and `{END}` for its variables")
    entry_points = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text())["argument_specs"]
    markup = Markup(page, dom.PluginIdentifier(f"{COLLECTION}.{role.name}", "role"))
    parts: list[str] = []
    for name, spec in entry_points.items():
        if name != "main":
            parts.append(f"Variables of the entry point {code(name)} (`tasks_from: {name}`):")
        rows = list(options(spec.get("options") or {}, markup))
        parts.append(table(["variable", "type", "default", "what it does"], rows) if rows else "None.")
    text = readme.read_text()
    found = re.fullmatch(f"(.*^{BEGIN}\n).*(^{END}\n.*)", text, re.S | re.M)
    if not found:
        raise DocsError(f"{page} needs the lines `{BEGIN}` and `{END}`, in this order, for the table of its variables")
    return page, found[1] + "\n".join(["", NOTICE, "", "\n\n".join(parts), "", ""]) + found[2]


# Modules and filters


def ansible_doc(kind: str, names: list[str]) -> dict[str, Any]:
    # By its path beside this Python, and with this clone's collections, whatever the caller's environment says.
    command = [str(Path(sys.executable).with_name("ansible-doc")), "--json", "-t", kind, *names]
    env = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"), "NO_COLOR": "1"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    found: dict[str, Any] = json.loads(done.stdout) if done.returncode == 0 else {}
    if missing := [name for name in names if "doc" not in found.get(name, {})]:
        raise DocsError(f"ansible-doc has nothing on {', '.join(missing)}: {done.stderr.strip()}")
    return found


def plugin_page(kind: str, fqcn: str, plugin: dict[str, Any]) -> tuple[Path, str]:
    doc = plugin["doc"]
    page = Path("docs", KINDS[kind], fqcn.removeprefix(f"{COLLECTION}.") + ".md")
    markup = Markup(page, dom.PluginIdentifier(fqcn, kind))
    parts = [NOTICE, f"# {fqcn}", f"{markup.cell(doc['short_description'])}. Since version {doc['version_added']}."]
    parts += markup.paragraphs(doc.get("description"))
    if needs := markup.paragraphs(doc.get("requirements")):
        parts += ["## Requirements", "\n".join(f"- {need}" for need in needs)]
    if rows := list(options(doc.get("options") or {}, markup)):
        parts += ["## Parameters", table(["parameter", "type", "default", "what it does"], rows)]
    if attributes := doc.get("attributes"):
        rows = [
            [
                code(name),
                ", ".join(
                    [spec["platforms"]] if isinstance(spec.get("platforms"), str) else spec.get("platforms") or []
                )
                or spec["support"],
                markup.cell([*_list(spec.get("description")), *_list(spec.get("details"))]),
            ]
            for name, spec in attributes.items()
        ]
        parts += ["## Attributes", table(["attribute", "support", "what it means"], rows)]
    if notes := markup.paragraphs(doc.get("notes")):
        parts += ["## Notes", "\n".join(f"- {note}" for note in notes)]
    if seealso := doc.get("seealso"):
        parts += ["## See also", "\n".join(f"- {_reference(entry, markup)}" for entry in seealso)]
    if examples := (plugin.get("examples") or "").strip("\n"):
        parts += ["## Examples", f"```yaml\n{examples}\n```"]
    if values := plugin.get("return"):
        rows = list(returned(values, markup))
        parts += ["## Return values", table(["key", "type", "returned", "what it says"], rows)]
    return page, "\n\n".join(parts) + "\n"


def _list(value: str | list[str] | None) -> list[str]:
    return [value] if isinstance(value, str) else value or []


def _reference(entry: dict[str, Any], markup: Markup) -> str:
    if "link" in entry:
        text = f"[{escape(entry['name'])}]({entry['link']})"
    elif "module" in entry:
        text = markup.plugin(dom.PluginIdentifier(entry["module"], "module"))
    else:
        text = markup.plugin(dom.PluginIdentifier(entry["plugin"], entry["plugin_type"]))
    return f"{text}: {markup.cell(entry['description'])}" if entry.get("description") else text


def plugin_pages(kind: str, folder: str) -> Iterator[tuple[Path, str]]:
    names = sorted(path.stem for path in (ROOT / "plugins" / folder).glob("[!_]*.py"))
    if not names:
        return
    index = Path("docs", folder, "README.md")
    rows = []
    for fqcn, plugin in sorted(ansible_doc(kind, [f"{COLLECTION}.{name}" for name in names]).items()):
        yield plugin_page(kind, fqcn, plugin)
        markup = Markup(index, dom.PluginIdentifier(fqcn, kind))
        rows.append([markup.plugin(dom.PluginIdentifier(fqcn, kind)), markup.cell(plugin["doc"]["short_description"])])
    title = f"# The {kind}s of {COLLECTION}"
    yield index, "\n\n".join([NOTICE, title, table([kind, "what it does"], rows)]) + "\n"


# The catalogue of GPU failures


def gpu_failures() -> tuple[Path, str]:
    """A section per failure, in the order of the layers, with the words that a user gets to see."""
    if (clone := str(ROOT / "collections")) not in sys.path:
        sys.path.append(clone)
    catalogue = importlib.import_module(
        "ansible_collections.gpulab.workstation.plugins.module_utils._gpu_visibility.catalogue"
    )
    page = Path("docs", "gpu_failures.md")
    module = dom.PluginIdentifier(f"{COLLECTION}.gpu_visibility_info", "module")
    parts = [
        NOTICE,
        "# Why a GPU is not visible",
        f"What {Markup(page, module).plugin(module)} recognises and playbooks/gpu_report.yml explains. A failure"
        " belongs to a layer, and hides the GPU from the layers after it.",
        "The tests play every failure on a simulated machine. That proves that the signal leads to the finding; that a"
        " real driver gives this signal was measured, or reported by the source that is named.",
    ]
    entries = sorted(catalogue.ENTRIES, key=lambda entry: LAYERS.index(entry.layer))
    rows = [[f"[{entry.id}](#{entry.id})", entry.layer, entry.severity, quoted(entry.signal)] for entry in entries]
    parts.append(table(["finding", "layer", "severity", "how it is told"], rows))
    for entry in entries:
        parts += [
            f"## {entry.id}",
            f"**{quoted(entry.message[:1].upper() + entry.message[1:])}.** {quoted(entry.cause)}",
        ]
        reboot = " Takes a reboot." if entry.remedy.requires_reboot else ""
        parts.append(f"{quoted(entry.remedy.text)}{reboot}")
        if entry.remedy.commands:
            parts.append("\n".join(["```console", *(f"# {command}" for command in entry.remedy.commands), "```"]))
        seen = [name for name in entry.needs if not name.startswith("not ")]
        unseen = [*entry.excludes, *(name.removeprefix("not ") for name in entry.needs if name.startswith("not "))]
        if entry.confidence == "certain":
            against = f", and not {_listed_in_words(unseen)}" if unseen else ""
            parts.append(f"Certain only where these were seen: {_listed_in_words(seen)}{against}.")
        if entry.first_guess:
            parts.append(f"First guess of those who reported it: {quoted(entry.first_guess)}")
        read = f" Read [more]({entry.remedy.docs_url})." if entry.remedy.docs_url else ""
        parts.append(f"Source: {quoted(entry.source)}.{read}")
    return page, "\n\n".join(parts) + "\n"


def _listed_in_words(names: list[str]) -> str:
    return escape(", ".join(names))


def quoted(text: str) -> str:
    """Text with code spans in backticks, in which {braces} stand for what was found."""
    pieces = re.sub(r"\{\w+\}", "…", text).split("`")
    spans = [code(piece) if number % 2 else escape(piece) for number, piece in enumerate(pieces)]
    return "".join(spans)


# All of it


def pages() -> dict[Path, str]:
    """Every generated page, by its path in the clone, as it should be."""
    wanted = dict(role_readme(path.parents[1]) for path in sorted(ROOT.glob("roles/*/meta/argument_specs.yml")))
    for kind, folder in KINDS.items():
        wanted.update(plugin_pages(kind, folder))
    wanted.update([gpu_failures()])
    return wanted


def outdated() -> dict[Path, str | None]:
    """The pages that differ from what is there; ``None`` for a page whose plugin is gone."""
    wanted = pages()
    there = {path.relative_to(ROOT) for folder in KINDS.values() for path in (ROOT / "docs" / folder).glob("*.md")}
    changes: dict[Path, str | None] = dict.fromkeys(there - wanted.keys())
    for page, text in wanted.items():
        if not (ROOT / page).is_file() or (ROOT / page).read_text() != text:
            changes[page] = text
    return changes


def main() -> None:
    try:
        changes = outdated()
    except DocsError as error:
        sys.exit(f"{error}.")
    for page, text in sorted(changes.items()):
        if text is None:
            (ROOT / page).unlink()
        else:
            (ROOT / page).parent.mkdir(exist_ok=True)
            (ROOT / page).write_text(text)
        print(f"{'removed' if text is None else 'wrote'} {page}")
    print("The generated docs are up to date.")


if __name__ == "__main__":
    main()
