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

  // Whoever follows a link to a host is to see it.
  const reveal = () => {
    const target = document.querySelector("tr:target");
    if (!target || target.checkVisibility()) return;
    filter.value = "";
    only.checked = false;
    show();
    target.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  for (const link of document.querySelectorAll('a[href^="#host-"]')) {
    // Also where it is the one that was followed last. By then the browser has gone there.
    link.addEventListener("click", () => setTimeout(reveal));
  }
  reveal();

  const all = [...body.querySelectorAll("details")];
  const toggled = () => {
    open.setAttribute("aria-pressed", all.length > 0 && all.every((details) => details.open));
    remember("opened", rows.filter((row) => row.querySelector("details")?.open).map((row) => row.id).join(" "));
  };
  for (const id of recall("opened").split(" ").filter(Boolean)) get(id)?.querySelector("details")?.setAttribute("open", "");
  toggled();
  body.addEventListener("toggle", toggled, true);
  open.addEventListener("click", () => {
    const wanted = open.getAttribute("aria-pressed") !== "true";
    for (const details of all) details.open = wanted;
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
    const order = (direction) => {
      for (const one of document.querySelectorAll("thead [aria-sort]")) one.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", direction);
      sort(head.dataset.key, direction === "ascending" ? 1 : -1);
      remember("order", `${head.dataset.key} ${direction}`);
    };
    button.addEventListener("click", () => order(head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending"));
    const [key, direction] = recall("order").split(" ");
    if (key === head.dataset.key) order(direction);
  }

  const made = new Date(get("made").dateTime);
  const here = made.getTimezoneOffset() ? `, ${made.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })} here` : "";
  const title = document.title;
  // A page that loads itself again is made anew that often; where that has ended, it looks as calm as before.
  const refresh = Number(document.querySelector("meta[http-equiv=refresh]")?.content);
  const limit = refresh ? Math.max(60, refresh / 20) : 1440;
  const age = () => {
    const minutes = Math.max(0, Math.floor((Date.now() - made) / 60000));
    const [number, unit] = minutes < 120 ? [minutes, "minute"] : minutes < 2880 ? [Math.floor(minutes / 60), "hour"] : [Math.floor(minutes / 1440), "day"];
    const old = minutes >= limit;
    get("age").textContent = ` (${old ? "old: " : ""}${number} ${unit}${number === 1 ? "" : "s"} ago${here})`;
    get("age").classList.toggle("stale", old);
    document.title = old ? `Old: ${title}` : title;
  };
  age();
  setInterval(age, 30000);
}
