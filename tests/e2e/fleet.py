# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab manager with the fleet report open, in a real browser: a mouse, a keyboard, a dark room, a screen reader.

    PYTHONPATH=collections python -m ansible_collections.gpulab.workstation.tests.e2e.fleet PICTURE

takes the README's picture. The lab is lab.py's. Nothing is served: the page is opened as the file that it is.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from ansible_collections.gpulab.workstation.plugins.plugin_utils._fleet_report import page as rendering
from ansible_collections.gpulab.workstation.tests.e2e import lab, notebook
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

WIDTH, HEIGHT = 1440, 1040
MINUTE, HOUR, DAY = 60, 60 * 60, 24 * 60 * 60
NEEDS_SOMEBODY = ["lab07", "lab23", "lab41", "lab14", "lab17", "lab28", "lab31", "lab34", "lab38", "lab50"]

# The contrast of each text with what is under it, by the formula of WCAG 2: https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio
CONTRAST = """
const parts = (color) => {
  const context = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  context.fillStyle = color;
  context.fillRect(0, 0, 1, 1);
  return [...context.getImageData(0, 0, 1, 1).data];
};
const seen = new Map();
const read = (color) => seen.get(color) || seen.set(color, parts(color)).get(color);
const light = (color) => {
  const [r, g, b] = color.map((part) => part / 255).map((c) => c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4);
  return .2126 * r + .7152 * g + .0722 * b;
};
const under = (element) => {
  for (let one = element; one; one = one.parentElement) {
    const color = read(getComputedStyle(one).backgroundColor);
    if (color[3] === 255) return color;
    if (color[3]) throw new Error('half transparent: ' + one.outerHTML.slice(0, 99));
  }
  return [255, 255, 255, 255];
};
const low = [];
let number = 0;
for (const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT); walker.nextNode();) {
  const element = walker.currentNode.parentElement;
  if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
  if (element.closest('script, .hidden, .skip, caption')) continue;
  number += 1;
  const [a, b] = [light(read(getComputedStyle(element).color)), light(under(element))];
  const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
  if (ratio < 4.5) low.push(ratio.toFixed(2) + ' ' + walker.currentNode.data.trim().slice(0, 40));
}
return [number, [...new Set(low)]];
"""


# The browser's clock, so that the lab's page is as old on every day.
CLOCK = """
{
  const RealDate = Date;
  const ahead = AT - RealDate.now();
  globalThis.Date = class extends RealDate {
    constructor(...given) {
      super(...(given.length ? given : [RealDate.now() + ahead]));
    }
    static now() {
      return RealDate.now() + ahead;
    }
  };
}
"""


class Report:
    def __init__(self, window: notebook.Page, path: Path) -> None:
        self.window = window
        self.driver = window.driver
        self.path = path
        self.clock = ""

    def set_clock(self, age: float) -> None:
        """From the next page on, the lab was looked at so many seconds ago."""
        if self.clock:
            self.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", {"identifier": self.clock})
        source = CLOCK.replace("AT", str(int((lab.MADE_AT + age) * 1000)))
        added = self.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": source})
        self.clock = added["identifier"]

    def open(
        self, report: Any = None, scheme: str = "light", scripts: bool = True, refresh: int = 0, age: float = 4 * MINUTE
    ) -> None:
        if self.driver.current_url.startswith(self.path.as_uri()):
            # As for the first time.
            self.driver.execute_script("sessionStorage.clear()")
        self.path.write_text(rendering.render(report or lab.report(), refresh), encoding="utf-8")
        self.set_clock(age)
        self.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not scripts})
        # What still scrolls cannot be clicked.
        features = [
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        self.driver.get(self.path.as_uri())

    def shown(self) -> list[str]:
        """The hosts that a person sees, from top to bottom."""
        rows = self.driver.find_elements(By.CSS_SELECTOR, "tbody tr")
        return [row.find_element(By.CSS_SELECTOR, ".name a").text for row in rows if row.is_displayed()]

    def press(self, *keys: str) -> None:
        self.driver.switch_to.active_element.send_keys(*keys)

    def accessible(self) -> list[dict[str, Any]]:
        """What a screen reader is told."""
        self.driver.execute_cdp_cmd("Accessibility.enable", {})
        nodes = self.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
        return [
            {
                "role": node["role"]["value"],
                "name": node.get("name", {}).get("value", ""),
                **{one["name"]: one["value"].get("value") for one in node.get("properties", [])},
            }
            for node in nodes
            if not node["ignored"]
        ]


@contextmanager
def opened() -> Iterator[Report]:
    notebook.install()
    with tempfile.TemporaryDirectory() as directory, notebook.browser(notebook.ARTEFACTS / "fleet") as window:
        window.driver.set_window_size(WIDTH, HEIGHT)
        window.driver.execute_cdp_cmd("Network.enable", {})
        yield Report(window, Path(directory) / "fleet.html")


def has_no_complaints(report: Report) -> None:
    """Neither errors nor violations of the page's own policy, which the console has both."""
    said = [entry["message"] for entry in report.window.console()]
    assert not said, said


def shows_every_host(report: Report) -> None:
    report.open()
    hosts = report.shown()
    assert len(hosts) == lab.HOSTS, hosts
    assert hosts[: len(NEEDS_SOMEBODY)] == NEEDS_SOMEBODY, hosts[:12]
    assert hosts[-2:] == ["lab59", "lab60"]
    assert report.driver.title == "10 of 60 need attention - GPU lab"
    loaded = report.driver.execute_script("return performance.getEntriesByType('resource').map((one) => one.name)")
    assert not loaded, f"the page loads {loaded}"
    has_no_complaints(report)


def works_by_keyboard(report: Report) -> None:
    report.open()
    report.press("/")
    report.press("nvml")
    assert report.shown() == ["lab14", "lab31"], report.shown()
    assert report.driver.find_element(By.ID, "shown").text == "2 of 60 hosts"
    report.press(Keys.ESCAPE)
    assert len(report.shown()) == lab.HOSTS
    report.press(Keys.TAB)
    report.press(Keys.SPACE)
    assert report.shown() == NEEDS_SOMEBODY
    # Past the button to the headings, and sorted by the first of them.
    report.press(Keys.TAB)
    report.press(Keys.TAB)
    report.press(Keys.ENTER)
    assert report.shown() == sorted(NEEDS_SOMEBODY)
    heads = report.driver.find_elements(By.CSS_SELECTOR, "thead th")
    assert [head.get_attribute("aria-sort") for head in heads] == ["ascending", *[None] * 7]
    report.press(Keys.ENTER)
    assert report.shown() == sorted(NEEDS_SOMEBODY, reverse=True)
    # A page that loads itself again stays with what is looked at.
    report.driver.refresh()
    assert report.shown() == sorted(NEEDS_SOMEBODY, reverse=True)
    assert report.driver.find_element(By.CSS_SELECTOR, "thead th").get_attribute("aria-sort") == "descending"
    has_no_complaints(report)


def opens_all(report: Report) -> None:
    report.open()
    report.driver.find_element(By.ID, "open").click()
    report.driver.refresh()
    button = report.driver.find_element(By.ID, "open")
    assert button.get_attribute("aria-pressed") == "true"
    button.click()
    assert not report.driver.find_elements(By.CSS_SELECTOR, "details[open]")
    assert button.get_attribute("aria-pressed") == "false"


def leads_to_what_is_hidden(report: Report) -> None:
    report.open()
    report.driver.find_element(By.ID, "only").click()
    report.press("/")
    report.press("lab14")
    assert report.shown() == ["lab14"]
    fine = report.driver.find_element(By.CSS_SELECTOR, ".counts .fine a")
    for _attempt in range(2):
        fine.click()
        report.window.wait("the host that a link leads to", lambda _driver: len(report.shown()) == lab.HOSTS)
        report.driver.find_element(By.ID, "only").click()


def fits_a_narrow_window(report: Report) -> None:
    report.open()
    try:
        for width in (720, 320):
            device = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
            report.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", device)
            for _state in ("closed", "open"):
                script = (
                    "const page = document.documentElement; return [innerWidth, page.clientWidth, page.scrollWidth]"
                )
                window, room, wide = report.driver.execute_script(script)
                assert window == width
                assert wide <= room, f"the document is {wide} wide, and has {room}, in a window of {width}"
                report.driver.find_element(By.ID, "open").click()
    finally:
        report.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def tells_its_age(report: Report) -> None:
    """A page that is made every five minutes is old after hours, any other after a day."""
    every_5_minutes = 5 * MINUTE
    ages = (
        (10 * MINUTE, every_5_minutes, False, "10 minutes"),
        (2 * HOUR + MINUTE, every_5_minutes, True, "2 hours"),
        (2 * HOUR + MINUTE, 0, False, "2 hours"),
        (400 * DAY, 0, True, "400 days"),
    )
    for age, refresh, is_old, text in ages:
        report.open(refresh=refresh, age=age)
        assert report.driver.title.startswith("Old: ") is is_old, (age, refresh, report.driver.title)
        # Where the clock's zone is not UTC, the local time follows.
        said = report.driver.find_element(By.ID, "age").text
        assert said.startswith(f"({'old: ' if is_old else ''}{text} ago"), (age, refresh, said)


def opens_what_was_found(report: Report) -> None:
    report.open()
    row = report.driver.find_element(By.ID, "host-lab14")
    remedy = row.find_element(By.CSS_SELECTOR, ".finding pre")
    assert not remedy.is_displayed()
    report.driver.execute_script("arguments[0].focus()", row.find_element(By.TAG_NAME, "summary"))
    report.press(Keys.ENTER)
    assert remedy.is_displayed()
    assert remedy.text == "apt-mark hold '*nvidia*'\nreboot"
    layers = [one.text for one in row.find_elements(By.CSS_SELECTOR, ".amiss li")]
    assert layers == ["nvml: broken", "container: unknown because of nvml"], layers
    script = "const page = document.documentElement; return [page.scrollWidth, page.clientWidth]"
    width = report.driver.execute_script(script)
    assert width[0] <= width[1], f"what is opened is wider than the window: {width}"
    # A page that loads itself again does not close what is read.
    report.driver.refresh()
    assert report.driver.find_element(By.CSS_SELECTOR, "#host-lab14 .finding pre").is_displayed()
    report.driver.get(f"{report.path.as_uri()}#host-lab52")
    assert (
        report.driver.execute_script("return document.querySelector('tr:target .name').textContent.trim()") == "lab52"
    )


def can_be_read(report: Report, scheme: str) -> None:
    report.open(scheme=scheme)
    report.driver.find_element(By.ID, "open").click()
    report.window.picture(report.window.artefacts / f"{scheme}.png")
    number, low = report.driver.execute_script(CONTRAST)
    assert number > 1000, f"only {number} texts were looked at"
    assert not low, f"too little contrast where it is {scheme}: {low}"
    ground = report.driver.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(15, 19, 25)") is (scheme == "dark"), ground


def can_be_heard(report: Report) -> None:
    report.open()
    nodes = report.accessible()
    controls = [node for node in nodes if node["role"] in ("link", "button", "searchbox", "checkbox", "textbox")]
    nameless = [node for node in controls if not node["name"].strip()]
    assert controls
    assert not nameless, nameless
    roles: dict[str, list[str]] = {}
    for node in nodes:
        roles.setdefault(node["role"], []).append(node["name"])
    assert roles["searchbox"] == ["Filter"]
    assert roles["checkbox"] == ["Only what needs attention"]
    assert roles["table"] == ["Every host of the lab, what needs somebody first"]
    assert roles["columnheader"][:3] == ["Host", "State", "GPUs"], roles["columnheader"]
    assert len(roles["rowheader"]) == lab.HOSTS
    assert "status" in roles
    for landmark in ("banner", "main", "search", "contentinfo"):
        assert len(roles.get(landmark, [])) == 1, f"{landmark}: {roles.get(landmark)}"
    headings = [(node["level"], node["name"]) for node in nodes if node["role"] == "heading"]
    assert headings[:2] == [(1, "GPU lab"), (2, "Hosts")], headings[:3]
    report.driver.find_element(By.ID, "open").click()
    levels = [node["level"] for node in report.accessible() if node["role"] == "heading"]
    assert {3, 4} < set(levels)
    deeper = [(one, after) for one, after in pairwise(levels) if after > one + 1]
    assert not deeper, f"headings leave a level out: {deeper}"
    report.driver.find_element(By.ID, "only").click()
    assert report.driver.find_element(By.CSS_SELECTOR, "[role=status]").text == "10 of 60 hosts"
    words = report.driver.find_element(By.CSS_SELECTOR, "#host-lab14 .spoken").get_attribute("textContent") or ""
    assert words.startswith("pci ok, kernel_driver ok, device_nodes ok, nvml broken"), words
    assert words.endswith("container unknown (because of nvml)"), words


def works_without_scripts(report: Report) -> None:
    report.open(scripts=False)
    try:
        assert len(report.shown()) == lab.HOSTS
        assert not report.driver.find_element(By.ID, "filter").is_displayed()
        report.driver.find_element(By.ID, "only").click()
        assert report.shown() == NEEDS_SOMEBODY
        report.driver.find_element(By.CSS_SELECTOR, "#host-lab14 summary").click()
        assert report.driver.find_element(By.CSS_SELECTOR, "#host-lab14 .finding pre").is_displayed()
    finally:
        report.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def is_not_taken_over(report: Report) -> None:
    """A machine that answers with a page of its own."""
    evil = "<img src=https://evil.example/x onerror='document.title=1'><script>document.title='owned'</script>"
    hostile = json.loads(json.dumps(lab.report()).replace("550.163.02", json.dumps(evil)[1:-1]))
    report.open(hostile)
    assert "owned" not in report.driver.title
    assert evil in report.driver.find_element(By.ID, "host-lab14").text
    assert not report.driver.find_elements(By.TAG_NAME, "img")
    has_no_complaints(report)
    # Should it ever get past the template: the policy runs nothing, and loads nothing.
    report.path.write_text(report.path.read_text().replace("<main", f"{evil}<main", 1))
    report.driver.get(report.path.as_uri())
    assert "owned" not in report.driver.title
    assert any("Content Security Policy" in entry["message"] for entry in report.window.console())


def try_out() -> None:
    with opened() as report:
        shows_every_host(report)
        works_by_keyboard(report)
        opens_what_was_found(report)
        opens_all(report)
        leads_to_what_is_hidden(report)
        fits_a_narrow_window(report)
        tells_its_age(report)
        can_be_read(report, "light")
        can_be_read(report, "dark")
        can_be_heard(report)
        works_without_scripts(report)
        is_not_taken_over(report)


def take_picture(path: Path) -> None:
    with opened() as report:
        report.open()
        report.driver.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
        report.driver.execute_script("scrollTo(0, 0)")
        report.window.picture(path)


if __name__ == "__main__":
    take_picture(Path(sys.argv[1]))
