// Sorts, filters and saves the tables of a page, and opens the section that a link leads into. The page reads whole
// without it. Text is only ever moved or copied as text.
"use strict";
{
  const SOME = 3, MANY = 8; // rows from which a table can be sorted and saved, and filtered
  const make = (tag, told, ...inside) => { const made = Object.assign(document.createElement(tag), told); made.append(...inside); return made };
  const text = (cell) => cell.textContent.trim().replace(/\s+/g, " ");
  const number = (words) => parseFloat(words.replace(/,/g, "").replace(/^[<>]/, "").replace(/^[−-]/, "-"));
  const isNumber = (words) => /^[<>]?[+−-]?[\d,]*\.?\d/.test(words) && !/^\d{4}-\d\d/.test(words);

  const sort = (body, rows, place, way) => {
    const known = rows.map((row) => [row, text(row.cells[place])]);
    const missing = (words) => words === "" || words === "n/a";
    const numbers = known.every(([, words]) => missing(words) || isNumber(words));
    const order = numbers ? (a, b) => number(a) - number(b) : (a, b) => a.localeCompare(b, undefined, { numeric: true });
    const sorted = way === "none" ? known : [...known].sort(([, a], [, b]) =>
      missing(a) || missing(b) ? missing(a) - missing(b) : way === "ascending" ? order(a, b) : order(b, a));
    body.append(...sorted.map(([row]) => row));
  };

  const heads = (table, body, rows) => [...table.tHead.rows[0].cells].forEach((head, place) => {
    if (!text(head)) return;
    const button = make("button", { type: "button", className: "sort" }, ...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const way = { ascending: "descending", descending: "none" }[head.getAttribute("aria-sort")] || "ascending";
      table.querySelectorAll("thead [aria-sort]").forEach((other) => other.removeAttribute("aria-sort"));
      if (way !== "none") head.setAttribute("aria-sort", way);
      sort(body, rows, place, way);
    });
  });

  const csv = (table) => {
    // A spreadsheet takes what begins so for a formula.
    const plain = (words) => isNumber(words) && /^[^(]*$/.test(words) ? words.replace(/,/g, "") : /^[=+\-@\t]/.test(words) ? `'${words}` : words;
    const rows = [...table.rows].filter((row) => !row.hidden);
    return rows.map((row) => [...row.cells].map((cell) => `"${plain(text(cell)).replace(/"/g, '""')}"`).join(",")).join("\r\n");
  };

  const save = (table, name) => {
    const address = URL.createObjectURL(new Blob(["\ufeff", csv(table)], { type: "text/csv" }));
    make("a", { href: address, download: `${name.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "_").slice(0, 60)}.csv` }).click();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
  };

  document.querySelectorAll("main table.frame").forEach((table) => {
    const body = table.tBodies[0], rows = body ? [...body.rows] : [];
    if (rows.length < SOME || !table.tHead) return;
    const name = table.caption ? text(table.caption) : "table", tools = make("div", { className: "tools" });
    heads(table, body, rows);
    if (rows.length >= MANY) {
      const count = make("output", {}, `${rows.length} rows`), filter = make("input", { type: "search" });
      filter.setAttribute("aria-label", `Filter: ${name}`);
      filter.placeholder = "Filter";
      filter.addEventListener("input", () => {
        const wanted = filter.value.trim().toLowerCase();
        rows.forEach((row) => { row.hidden = !text(row).toLowerCase().includes(wanted) });
        const left = rows.filter((row) => !row.hidden).length;
        count.textContent = wanted ? `${left} of ${rows.length} rows` : `${rows.length} rows`;
      });
      tools.append(filter, count);
    }
    const button = make("button", { type: "button" }, "Save as CSV");
    button.setAttribute("aria-label", `Save as CSV: ${name}`);
    button.addEventListener("click", () => save(table, name));
    tools.append(button);
    table.closest(".scroll").before(tools);
  });

  const sections = [...document.querySelectorAll("details.section")];
  if (sections.length) {
    const all = make("button", { type: "button" }, "Open all sections");
    all.addEventListener("click", () => {
      const open = sections.some((section) => !section.open);
      sections.forEach((section) => { section.open = open });
      all.textContent = open ? "Close all sections" : "Open all sections";
    });
    sections[0].before(make("div", { className: "tools" }, all));
  }

  const reveal = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let fold = target?.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
    target?.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  if (location.hash) reveal();
}
