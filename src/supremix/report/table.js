// Tables of class "runs": a filter above, and headings with data-sort that sort. Without JavaScript they stand as written.
for (const table of document.querySelectorAll("table.runs")) {
  const body = table.tBodies[0], rows = [...body.rows];
  const box = document.createElement("input"), count = document.createElement("output");
  const show = () => {
    const words = box.value.toLowerCase().split(/\s+/);
    for (const row of rows) row.hidden = !words.every(word => row.textContent.toLowerCase().includes(word));
    count.textContent = ` ${rows.filter(row => !row.hidden).length} of ${rows.length}`;
  };
  box.type = "search";
  box.placeholder = "filter: words, as in supremix finetune";
  box.setAttribute("aria-label", "show rows with all of these words");
  box.addEventListener("input", show);
  table.parentElement.before(box, count);
  show();
  for (const heading of table.querySelectorAll("th[data-sort]")) {
    const button = document.createElement("button");
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const down = heading.ariaSort === "ascending" ? -1 : 1, at = heading.cellIndex;
      const text = row => row.cells[at].textContent;
      const number = row => Number.parseFloat(text(row).replace("−", "-"));
      const order = heading.dataset.sort === "number"
        ? (a, b) => Number.isNaN(number(a)) - Number.isNaN(number(b)) || down * (number(a) - number(b) || 0)
        : (a, b) => down * text(a).localeCompare(text(b), "en", {numeric: true});
      table.querySelectorAll("th").forEach(other => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", down === 1 ? "ascending" : "descending");
      body.append(...rows.sort(order));
    });
  }
}
const open = () => document.getElementById(location.hash.slice(1))?.closest("details")?.setAttribute("open", "");
addEventListener("hashchange", open);
open();
