# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A person with a browser: opens the URL, makes a notebook, runs a cell, reads what it printed.

    python tests/e2e/notebook.py URL [PICTURE]     with a URL as `make demo-url` prints it

The browser is Debian's Chromium without a window, the pages and clicks are real.
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from selenium import webdriver
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support import expected_conditions as expect
from selenium.webdriver.support.ui import WebDriverWait

PACKAGES = {"chromium": Path("/usr/bin/chromium"), "chromium-driver": Path("/usr/bin/chromedriver")}
ARTEFACTS = Path(__file__).parents[2] / ".cache" / "e2e"
CELL = "import keras; print(keras.__version__)"
LAUNCHER_CARD = ".jp-LauncherCard[data-category='Notebook']"
EDITOR = ".jp-Notebook .jp-InputArea-editor .cm-content"
OUTPUT = ".jp-Notebook .jp-OutputArea-output pre"
IDLE = ".jp-NotebookPanel-toolbar [data-status='idle']"


def why_not() -> str:
    """Why there can be no browser here. Empty where there can."""
    distribution = platform.freedesktop_os_release()["ID"]
    return (
        "" if distribution == "debian" else f"{distribution} has Chromium as a snap, which does not run without a login"
    )


def install() -> None:
    missing = [name for name, program in PACKAGES.items() if not program.exists()]
    if missing:
        sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
        apt = [*sudo, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300"]
        subprocess.run([*apt, "update"], check=True, stdout=subprocess.DEVNULL)
        # The pictures need some font.
        packages = [*missing, "fonts-dejavu-core"]
        subprocess.run(
            [*apt, "install", "-y", "--no-install-recommends", *packages], check=True, stdout=subprocess.DEVNULL
        )


class Page:
    """One window. Each step says what it waited for when it fails, and leaves a picture and the console's log."""

    def __init__(self, driver: webdriver.Chrome, artefacts: Path) -> None:
        self.driver = driver
        self.artefacts = artefacts

    def wait(self, step: str, condition: Any, seconds: int = 60) -> WebElement:
        try:
            found: WebElement = WebDriverWait(self.driver, seconds).until(condition)
        except TimeoutException:
            picture = self.picture(self.artefacts / "failed.png")
            (self.artefacts / "console.json").write_text(json.dumps(self.console(), indent=2))
            raise AssertionError(
                f"{step}: not seen within {seconds} seconds at {urlsplit(self.driver.current_url).path}. See {picture} "
                f"and console.json beside it."
            ) from None
        return found

    def see(self, step: str, selector: str, seconds: int = 60) -> WebElement:
        return self.wait(step, expect.visibility_of_element_located((By.CSS_SELECTOR, selector)), seconds)

    def click(self, step: str, selector: str) -> None:
        self.wait(step, expect.element_to_be_clickable((By.CSS_SELECTOR, selector))).click()

    def has_run(self, seconds: int) -> bool:
        """Whether the first cell has a number, or the star of one that runs."""
        with suppress(TimeoutException):
            prompt = (By.CSS_SELECTOR, ".jp-Notebook .jp-InputArea-prompt")
            WebDriverWait(self.driver, seconds).until(
                lambda driver: re.search(r"[\d*]", driver.find_element(*prompt).text)
            )
            return True
        return False

    def console(self) -> list[Any]:
        return list(self.driver.get_log("browser"))

    def picture(self, path: Path) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        assert self.driver.save_screenshot(str(path)), f"no picture could be written to {path}"
        return path


@contextmanager
def browser(artefacts: Path) -> Iterator[Page]:
    options = webdriver.ChromeOptions()
    options.binary_location = str(PACKAGES["chromium"])
    for argument in ("--headless=new", "--window-size=1280,800", "--disable-dev-shm-usage", "--no-proxy-server"):
        options.add_argument(argument)
    if os.geteuid() == 0:
        # Chromium's own sandbox does not work for root.
        options.add_argument("--no-sandbox")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(executable_path=str(PACKAGES["chromium-driver"]))
    driver = webdriver.Chrome(options=options, service=service)
    try:
        artefacts.mkdir(parents=True, exist_ok=True)
        yield Page(driver, artefacts)
    finally:
        driver.quit()


def refuses_without_token(page: Page, url: str) -> None:
    page.driver.get(url.partition("?")[0])
    page.see("the form that asks for a token", "input#password_input")


def run_cell(page: Page, url: str, picture: Path) -> str:
    """Make a notebook, run CELL in it, and return what it printed."""
    # `reset` opens the lab as for the first time, whatever was open before.
    page.driver.get(f"{url}&reset")
    page.click("the launcher's card for a Python notebook", LAUNCHER_CARD)
    editor = page.see("the first cell", EDITOR)
    page.see("an idle kernel", IDLE)
    editor.click()
    editor.send_keys(CELL)
    for _attempt in range(5):
        # A notebook whose session is just being made takes the keys, and runs nothing: as a person does, press again.
        page.driver.find_element(By.CSS_SELECTOR, EDITOR).click()
        ActionChains(page.driver).key_down(Keys.CONTROL).send_keys(Keys.ENTER).key_up(Keys.CONTROL).perform()
        if page.has_run(seconds=3):
            break
    page.see("what the cell printed", OUTPUT, 120)
    page.see("an idle kernel after the cell", IDLE)
    page.picture(picture)
    # The last, because what TensorFlow says on its other output comes first.
    return page.driver.find_elements(By.CSS_SELECTOR, OUTPUT)[-1].text.strip()


def severe(page: Page) -> list[str]:
    """Errors on the browser's console, but for one of Jupyter Server 2.21.

    Its list of kernels is a status 500 while a kernel starts: `kernel_model` reads `last_activity` before
    `_async_start_kernel` has set it. JupyterLab asks for that list every few seconds.
    """
    starting = re.compile(r"/api/kernels\?\d+ - Failed to load resource: .* status of 500 ")
    messages = [entry["message"] for entry in page.console() if entry["level"] == "SEVERE"]
    return [message for message in messages if not starting.search(message)]


def try_out(url: str, artefacts: Path, picture: Path) -> str:
    """All of it. Returns what the cell printed."""
    install()
    with browser(artefacts) as page:
        refuses_without_token(page, url)
        page.console()
        printed = run_cell(page, url, picture)
        errors = severe(page)
        assert not errors, f"the browser's console has errors: {errors}"
        return printed


def main(arguments: list[str]) -> None:
    url, *rest = arguments
    print(try_out(url, ARTEFACTS, Path(rest[0]) if rest else ARTEFACTS / "notebook.png"))


if __name__ == "__main__":
    main(sys.argv[1:])
