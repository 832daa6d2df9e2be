// Pictures of class "picks": what is under the pointer or finger, or is reached by the arrow keys, is said below them,
// and the same row is marked in the other pictures of the section. What is drawn last comes first.
for (const picture of document.querySelectorAll("svg.picks")) {
  const marks = [...picture.querySelectorAll("[data-says]")].reverse(), said = document.createElement("output");
  const others = [...(picture.closest("section")?.querySelectorAll("[data-row]") ?? [])];
  const first = picture.closest("section")?.querySelector("svg.picks") === picture;
  const hint = first ? "Point, touch, or choose the picture and press the arrow keys to read single marks." : "";
  let at = -1;
  const pick = index => {
    at = index;
    const mark = marks[at];
    for (const one of picture.closest("section")?.querySelectorAll(".picked") ?? []) one.classList.remove("picked");
    said.textContent = mark ? mark.dataset.says : hint;
    mark?.classList.add("picked");
    if (mark?.dataset.row) for (const one of others) one.classList.toggle("picked", one.dataset.row === mark.dataset.row);
  };
  const near = event => {
    const under = marks.indexOf(event.target.closest("[data-says]"));
    if (under >= 0) return pick(under);
    const away = marks.map(mark => {
      const box = mark.getBoundingClientRect();
      return mark.tagName === "circle"
        ? Math.hypot(box.x + box.width / 2 - event.clientX, box.y + box.height / 2 - event.clientY) : Infinity;
    });
    const closest = Math.min(...away);
    pick(closest < 24 ? away.indexOf(closest) : -1);
  };
  picture.addEventListener("pointermove", near);
  picture.addEventListener("pointerdown", near);
  picture.addEventListener("keydown", event => {
    const to = {ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: marks.length - 1,
      Escape: -1}[event.key];
    if (to === undefined) return;
    event.preventDefault();
    pick(to < 0 ? -1 : Math.min(to, marks.length - 1));
  });
  picture.tabIndex = 0;
  picture.setAttribute("role", "application");
  said.setAttribute("aria-live", "polite");
  picture.closest("figure").append(said);
  pick(-1);
}
