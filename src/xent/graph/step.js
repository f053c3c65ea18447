"use strict";
// Steps forward and backward through a drawing, and says the formula of the node that is pointed at or focused.
for (const figure of document.querySelectorAll("[data-steps]")) {
  const steps = JSON.parse(figure.dataset.steps);
  const parts = [...figure.querySelectorAll("svg .s")];
  const said = figure.querySelector(".said");
  const formula = figure.querySelector(".formula");
  const bar = figure.querySelector(".steps");
  const buttons = Object.fromEntries([...bar.querySelectorAll("button")].map((b) => [b.value, b]));
  const last = steps.length - 1;
  let at = last;

  function show(step) {
    at = Math.max(0, Math.min(last, step));
    for (const part of parts) {
      const own = Number(part.dataset.s);
      part.classList.toggle("later", own > at);
      part.classList.toggle("now", own === at && at < last);
    }
    said.textContent = `step ${at + 1} of ${steps.length} · ${steps[at]}`;
    for (const [name, off] of [["first", at === 0], ["back", at === 0], ["next", at === last], ["all", at === last]]) {
      buttons[name].setAttribute("aria-disabled", String(off));
    }
  }

  const moves = { first: () => 0, back: () => at - 1, next: () => at + 1, all: () => last };
  bar.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) show(moves[button.value]());
  });
  const keys = { ArrowLeft: "back", ArrowRight: "next", Home: "first", End: "all" };
  figure.addEventListener("keydown", (event) => {
    const move = keys[event.key];
    if (!move || event.altKey || event.ctrlKey || event.metaKey || event.target.closest(".scroll") === event.target) return;
    event.preventDefault();
    show(moves[move]());
  });

  const tell = (event) => {
    const node = event.target.closest(".n");
    if (!node) return;
    formula.replaceChildren();
    for (const [text, name] of [[node.dataset.f, ""], [node.dataset.b, "red"]]) {
      const line = document.createElement("span");
      line.textContent = text;
      line.className = name;
      formula.append(line);
    }
    for (const other of figure.querySelectorAll(".n.told")) other.classList.remove("told");
    node.classList.add("told");
  };
  figure.addEventListener("pointerover", tell);
  figure.addEventListener("focusin", tell);
  bar.hidden = formula.hidden = false;
  figure.classList.add("live");
  show(last);
}
