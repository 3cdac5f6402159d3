"use strict";
// Zoom and tooltips of the lanes. The page says everything without them.
document.documentElement.classList.add("js");
const tip = document.body.appendChild(document.createElement("div"));
tip.id = "tip";
for (const svg of document.querySelectorAll("svg.lanes")) {
  const NS = "http://www.w3.org/2000/svg";
  const left = +svg.dataset.left, width = +svg.dataset.width, end = +svg.dataset.end;
  const scale = svg.querySelector(".scale"), time = svg.querySelector(".time");
  const height = svg.viewBox.baseVal.height;
  const lanes = [...svg.querySelectorAll(".node")].map((g) => [+g.dataset.y, g.dataset.name]);
  const nameAt = (y) => lanes.reduce((a, b) => (Math.abs(b[0] - y) < Math.abs(a[0] - y) ? b : a))[1];
  let from = 0, to = end, began = null, box = null, flights = null;
  const toX = (ms) => left + ((ms - from) * width) / (to - from);
  const toMs = (x) => from + ((x - left) * (to - from)) / width;
  const at = (event) => {
    const p = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    return [Math.min(left + width, Math.max(left, p.x)), p.y];
  };
  const add = (parent, name, attributes, words) => {
    const made = document.createElementNS(NS, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (words !== undefined) made.textContent = words;
    return parent.appendChild(made);
  };
  function show(a, b) {
    const span = Math.min(end, Math.max(0.5, b - a));
    from = Math.min(Math.max(0, a), end - span);
    to = from + span;
    const k = width / span;
    scale.setAttribute("transform", `translate(${left - from * k} 0) scale(${k} 1)`);
    for (const label of svg.querySelectorAll("[data-ms]")) {
      const begin = toX(+label.dataset.ms) + +label.dataset.shift;
      const until = toX(+label.dataset.until);
      label.setAttribute("x", until > left + 20 ? Math.max(left + 5, begin) : begin);
      label.style.visibility = until < left ? "hidden" : "visible";
    }
    time.replaceChildren();
    const [unit, word] = span >= 2592e5 ? [864e5, "d"] : span >= 72e5 ? [36e5, "h"] : span >= 6e5 ? [6e4, "min"] : [1000, "s"];
    const rough = span / unit / 10, power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough * 0.999999);
    const digits = Math.max(0, -Math.floor(Math.log10(step)));
    for (let n = Math.ceil(from / unit / step); n * step * unit <= to; n++) {
      const x = toX(n * step * unit).toFixed(1);
      add(time, "path", { d: `M${x} 18V${height}`, class: "grid" });
      add(time, "text", { x, y: 12, "text-anchor": "middle" }, `${(n * step).toFixed(digits)} ${word}`);
    }
  }
  const acts = {
    in: () => show(from + (to - from) / 4, to - (to - from) / 4),
    out: () => show(from - (to - from) / 2, to + (to - from) / 2),
    left: () => show(from - (to - from) / 3, to - (to - from) / 3),
    right: () => show(from + (to - from) / 3, to + (to - from) / 3),
    all: () => show(0, end),
  };
  for (const button of svg.closest("section").querySelectorAll("button[data-do]")) button.addEventListener("click", acts[button.dataset.do]);
  svg.addEventListener("pointerdown", (event) => {
    began = at(event)[0];
    box = add(svg, "rect", { class: "drag", x: began, y: 0, width: 0, height });
    svg.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  svg.addEventListener("pointerup", (event) => {
    if (began === null) return;
    const [a, b] = [began, at(event)[0]].sort((p, q) => p - q);
    box.remove();
    began = null;
    if (b - a > 4) show(toMs(a), toMs(b));
  });
  svg.addEventListener("pointercancel", () => { if (box) box.remove(); began = null; });
  svg.addEventListener("dblclick", acts.all);
  const seconds = (ms) => `${(ms / 1000).toFixed(6)} s`;
  const near = (x, y) => {
    flights ??= [...svg.querySelectorAll("path[data-kind]")].map((path) => [
      path,
      [...path.getAttribute("d").matchAll(/M(\S+) ([^ML]+)L(\S+) ([^ML]+)/g)].map((m) => m.slice(1).map(Number)),
    ]);
    let best = 6, found = null;
    for (const [path, lines] of flights) {
      if (getComputedStyle(path.parentNode).display === "none") continue;
      for (const line of lines) {
        if (line[2] < from || line[0] > to) continue;
        const x1 = toX(line[0]), x2 = toX(line[2]), y1 = line[1], y2 = line[3];
        const t = Math.min(1, Math.max(0, ((x - x1) * (x2 - x1) + (y - y1) * (y2 - y1)) / ((x2 - x1) ** 2 + (y2 - y1) ** 2 || 1)));
        const away = Math.hypot(x - x1 - t * (x2 - x1), y - y1 - t * (y2 - y1));
        if (away < best) [best, found] = [away, [path, line]];
      }
    }
    return found;
  };
  svg.addEventListener("pointermove", (event) => {
    const [x, y] = at(event);
    if (began !== null) {
      box.setAttribute("x", Math.min(began, x));
      box.setAttribute("width", Math.abs(x - began));
      return;
    }
    const found = lanes.length ? near(x, y) : null;
    tip.style.display = found ? "block" : "none";
    if (!found) return;
    const [path, [sent, y1, arrived, y2]] = found;
    const lost = path.classList.contains("lost");
    tip.textContent = lost
      ? `${path.dataset.kind} of ${nameAt(y1)}, sent ${seconds(sent)}, never arrived`
      : `${path.dataset.kind} ${nameAt(y1)} → ${nameAt(y2)}, sent ${seconds(sent)}, arrived ${seconds(arrived)}`;
    tip.style.left = `${Math.max(4, Math.min(event.clientX + 14, innerWidth - 440))}px`;
    tip.style.top = `${event.clientY + 16}px`;
  });
  svg.addEventListener("pointerleave", () => { tip.style.display = "none"; });
}
