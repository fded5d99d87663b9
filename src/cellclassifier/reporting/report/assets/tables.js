"use strict";
// Tables that sort by a click on a column's head, and show the rows that hold a text.
(() => {
  const valueOf = (cell) => {
    if (cell.dataset.value !== undefined) return Number(cell.dataset.value);
    return cell.classList.contains("number") ? Number.NaN : cell.textContent.trim();
  };
  const compare = (a, b) => {
    if (typeof a === "string" || typeof b === "string") {
      return String(a).localeCompare(String(b), undefined, { numeric: true });
    }
    return a - b;
  };

  const sort = (table, column) => {
    const heads = [...table.tHead.rows[0].cells];
    const now = heads[column].getAttribute("aria-sort");
    const numeric = heads[column].classList.contains("number");
    const first = numeric ? "descending" : "ascending";
    const second = numeric ? "ascending" : "descending";
    const order = now === first ? second : first;
    for (const head of heads) head.setAttribute("aria-sort", "none");
    heads[column].setAttribute("aria-sort", order);
    const sign = order === "ascending" ? 1 : -1;
    const keyed = [...table.tBodies[0].rows].map((row) => [valueOf(row.cells[column]), row]);
    const isMissing = (value) => typeof value === "number" && Number.isNaN(value);
    keyed.sort(([a], [b]) => {
      if (isMissing(a) || isMissing(b)) return isMissing(a) - isMissing(b); // last, either way
      return sign * compare(a, b);
    });
    table.tBodies[0].append(...keyed.map(([, row]) => row));
  };

  for (const table of document.querySelectorAll("table.sortable")) {
    table.tHead.querySelectorAll("th").forEach((head, column) => {
      head.querySelector("button").addEventListener("click", () => sort(table, column));
    });
  }

  for (const input of document.querySelectorAll("input[data-searches]")) {
    const table = document.getElementById(input.dataset.searches);
    const output = input.parentElement.querySelector("output");
    input.addEventListener("input", () => {
      const wanted = input.value.trim().toLowerCase();
      let shown = 0;
      for (const row of table.tBodies[0].rows) {
        row.hidden = wanted !== "" && !row.textContent.toLowerCase().includes(wanted);
        shown += row.hidden ? 0 : 1;
      }
      output.textContent = wanted === "" ? "" : `${shown} of ${table.tBodies[0].rows.length}`;
    });
  }

  // the confusion matrix: by row, by column, or in cells
  const matrix = document.getElementById("matrix");
  const DARK = 0.55;
  const percent = (share) => (share >= 0.005 ? String(Math.round(100 * share)) : "<1");
  const show = (by) => {
    const cells = [...matrix.querySelectorAll("td[data-count]")];
    const most = Math.max(1, ...cells.map((cell) => Number(cell.dataset.count)));
    for (const cell of cells) {
      const value = Number(cell.dataset[by]);
      const shade = by === "count" ? value / most : value;
      cell.style.setProperty("--shade", shade);
      cell.classList.toggle("dark", shade > DARK);
      cell.textContent = by === "count" ? value.toLocaleString("en") : percent(value);
    }
  };
  const choices = document.querySelectorAll("button[data-matrix]");
  for (const button of choices) {
    button.addEventListener("click", () => {
      for (const other of choices) other.setAttribute("aria-pressed", String(other === button));
      show(button.dataset.matrix);
    });
  }
})();
