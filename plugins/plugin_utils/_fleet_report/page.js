// Copyright (c) 2026, the gpulab.workstation authors
// GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later
"use strict";
// All of it is convenience: without scripts, the page still says everything, opens its details, and hides what is well.
{
  const get = (id) => document.getElementById(id);
  const body = document.querySelector("tbody");
  const rows = [...body.rows];
  const [filter, only, open, shown] = ["filter", "only", "open", "shown"].map(get);
  document.body.classList.add("scripted");

  // A page that loads itself again stays as it was. Browsers may refuse to remember for a file.
  const remember = (key, value) => { try { sessionStorage.setItem(key, value); } catch { /* then not */ } };
  const recall = (key) => { try { return sessionStorage.getItem(key) || ""; } catch { return ""; } };

  // Who looks for "nvml" looks for where it is broken, and not for every layer of every machine.
  const texts = rows.map((row) => {
    const copy = row.cloneNode(true);
    for (const layers of copy.querySelectorAll(".chain, .spoken")) layers.remove();
    return copy.textContent.toLowerCase();
  });
  const show = () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const [place, row] of rows.entries()) {
      row.hidden = !words.every((word) => texts[place].includes(word));
      count += !row.hidden && (!only.checked || row.classList.contains("needs"));
    }
    shown.textContent = count === rows.length ? "" : `${count} of ${rows.length} hosts`;
    remember("filter", filter.value);
    remember("only", only.checked ? "yes" : "");
  };
  filter.value = recall("filter");
  only.checked = only.checked || recall("only") === "yes";
  filter.addEventListener("input", show);
  only.addEventListener("change", show);
  filter.form.addEventListener("submit", (event) => event.preventDefault());
  show();

  const opened = () => rows.filter((row) => row.querySelector("details")?.open).map((row) => row.id).join(" ");
  for (const id of recall("opened").split(" ").filter(Boolean)) get(id)?.querySelector("details")?.setAttribute("open", "");
  body.addEventListener("toggle", () => remember("opened", opened()), true);

  open.addEventListener("click", () => {
    const all = open.getAttribute("aria-pressed") !== "true";
    open.setAttribute("aria-pressed", all);
    for (const details of body.querySelectorAll("details")) details.open = all;
  });

  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !event.ctrlKey && !event.metaKey && !event.altKey && document.activeElement !== filter) {
      event.preventDefault();
      filter.focus();
      filter.select();
    } else if (event.key === "Escape" && document.activeElement === filter && filter.value) {
      filter.value = "";
      show();
    }
  });

  // Hosts of which a column knows nothing stay below, in whatever direction.
  const sort = (key, direction) => {
    const order = new Intl.Collator("en", { numeric: true });
    const sorted = [...rows].sort((one, other) => {
      const [a, b] = [one.dataset[key], other.dataset[key]];
      return !a - !b || direction * order.compare(a, b);
    });
    body.append(...sorted);
  };
  for (const head of document.querySelectorAll("thead th")) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const direction = head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
      for (const one of document.querySelectorAll("thead [aria-sort]")) one.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", direction);
      sort(head.dataset.key, direction === "ascending" ? 1 : -1);
    });
  }

  const made = new Date(get("made").dateTime);
  const age = () => {
    const minutes = Math.max(0, Math.floor((Date.now() - made) / 60000));
    const [number, unit] = minutes < 120 ? [minutes, "minute"] : minutes < 2880 ? [Math.floor(minutes / 60), "hour"] : [Math.floor(minutes / 1440), "day"];
    get("age").textContent = ` (${number} ${unit}${number === 1 ? "" : "s"} ago)`;
    get("age").classList.toggle("stale", minutes >= 1440);
  };
  age();
  setInterval(age, 30000);
}
