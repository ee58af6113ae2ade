// The map of a report: choose a layout and a colouring, point at a sample (mouse, finger or arrow keys) and see it.
// Without this the map is a drawing. Everything it needs stands beside it as JSON; texts only ever become text nodes.
"use strict";

function startMap(figure) {
  const data = JSON.parse(figure.querySelector("script").textContent);
  const part = (name) => figure.querySelector(name);
  const plot = part(".plot"), points = part(".points"), layer = part(".layer"), card = part(".card");
  const legend = part(".legend"), [lines, ring] = part(".over").children;
  const outline = points.firstElementChild, swatch = legend.querySelector("svg");
  const tileSize = getComputedStyle(figure);
  const width = 5 * parseFloat(tileSize.getPropertyValue("--w")), height = 5 * parseFloat(tileSize.getPropertyValue("--h"));
  let layout = data.layouts[0], colouring = data.colourings[0], current = -1, pinned = false, only = null;

  const css = (code) => (code < 0 ? "none" : colouring.css + code);
  const dim = (code) => (only === null || only === code ? "" : " dim");
  const near = () => data.near[layout.of];
  const pictures = () => data.sheet && part(".pictures").checked;

  function element(name, className, text) {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function tile(i, className) {
    const made = element("i", `tile ${className}`), [columns, rows] = data.sheet;
    made.style.setProperty("--x", `${(100 * (i % columns)) / Math.max(1, columns - 1)}%`);
    made.style.setProperty("--y", `${(100 * Math.floor(i / columns)) / Math.max(1, rows - 1)}%`);
    return made;
  }

  function draw() {
    const paths = new Map();
    colouring.codes.forEach((code, i) => {
      paths.set(code, (paths.get(code) || "") + `M${layout.x[i]},${layout.y[i]}${data.shapes[Math.max(code, 0)]}`);
    });
    points.replaceChildren(...[...paths.keys()].sort((a, b) => a - b).map((code) => {
      const path = outline.cloneNode();
      path.setAttribute("class", css(code) + dim(code));
      path.setAttribute("d", paths.get(code));
      return path;
    }));
    layer.replaceChildren(...(pictures() ? layout.pictured : []).map((i) => {
      const code = colouring.codes[i], made = tile(i, css(code) + dim(code));
      made.style.left = `${layout.x[i] / 10}%`;
      made.style.top = `${layout.y[i] / 10}%`;
      return made;
    }));
    show(current);
  }

  function explain() {
    legend.replaceChildren(...colouring.entries.map(([name, colour, shape, count], place) => {
      const code = colour === "none" ? -1 : place;
      const button = element("button"), mark = swatch.cloneNode(true);
      button.type = "button";
      button.setAttribute("aria-pressed", String(only === code));
      mark.setAttribute("class", colour);
      mark.firstElementChild.setAttribute("d", `M0,0${data.shapes[shape]}`);
      button.append(mark, `${name} `, element("small", "", count.toLocaleString("en")));
      button.addEventListener("click", () => {
        only = only === code ? null : code;
        draw();
        for (const [other, item] of [...legend.children].entries()) {
          item.firstElementChild.setAttribute("aria-pressed", String(only !== null && other === place));
        }
      });
      const item = element("li");
      item.append(button);
      return item;
    }));
  }

  function show(i) {
    current = i;
    ring.setAttribute("r", i < 0 ? 0 : 14);
    lines.setAttribute("d", i < 0 ? "" : near()[i].map((j) => `M${layout.x[i]},${layout.y[i]}L${layout.x[j]},${layout.y[j]}`).join(""));
    if (i < 0) {
      card.replaceChildren(element("p", "", "Point at a sample, tap it, or step through them with the arrow keys. A click keeps it."));
      return;
    }
    ring.setAttribute("cx", layout.x[i]);
    ring.setAttribute("cy", layout.y[i]);
    const parts = data.sheet ? [tile(i, "")] : [];
    parts.push(element("p", "key", data.keys[i]));
    if (data.labels) parts.push(element("p", "", `label: ${data.labels[i] ?? "none"}`));
    if (colouring.title !== "label") {
      const entry = colouring.entries.at(colouring.codes[i]);
      parts.push(element("p", "", `${colouring.title}: ${entry[0]}`));
    }
    if (data.texts) parts.push(element("p", "", data.texts[i]));
    parts.push(element("p", "", "nearest to it, by cosine:"));
    const row = element("div", data.sheet ? "near" : "near wordy");
    near()[i].forEach((j, place) => {
      const button = element("button");
      button.type = "button";
      const label = data.labels ? ` ${data.labels[j] ?? ""}` : "";
      const words = data.sheet ? "" : ` ${data.texts && data.texts[j] ? data.texts[j].slice(0, 70) : data.keys[j]}`;
      if (data.sheet) button.append(tile(j, ""));
      button.append(`${data.cosines[layout.of][i][place].toFixed(2)}${label}${words}`);
      button.title = data.keys[j];
      button.addEventListener("click", () => { pinned = true; show(j); });
      row.append(button);
    });
    parts.push(row);
    card.replaceChildren(...parts);
  }

  // the sample under a place of the drawing: a picture that covers it, else the nearest point that is near enough
  function under(event) {
    const box = plot.getBoundingClientRect();
    const x = (1000 * (event.clientX - box.left)) / box.width, y = (1000 * (event.clientY - box.top)) / box.height;
    const away = (i) => Math.hypot(layout.x[i] - x, layout.y[i] - y);
    const covering = (pictures() ? layout.pictured : []).filter(
      (i) => Math.abs(layout.x[i] - x) < width && Math.abs(layout.y[i] - y) < height);
    if (covering.length) return covering.reduce((a, b) => (away(b) < away(a) ? b : a));
    let best = -1, least = event.pointerType === "touch" ? 60 : 30;
    for (let i = 0; i < layout.x.length; i++) {
      if (away(i) < least && (only === null || colouring.codes[i] === only)) { best = i; least = away(i); }
    }
    return best;
  }

  const DIRECTIONS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

  // the nearest sample that lies more in this direction than aside
  function beside(i, [right, down]) {
    let best = i, least = Infinity;
    for (let j = 0; j < layout.x.length; j++) {
      const dx = layout.x[j] - layout.x[i], dy = layout.y[j] - layout.y[i];
      const ahead = dx * right + dy * down, aside = Math.abs(dx * down + dy * right);
      if (ahead > 0 && aside <= ahead && ahead + aside < least) { best = j; least = ahead + aside; }
    }
    return best;
  }

  function middle() {
    let best = 0, least = Infinity;
    layout.x.forEach((x, i) => {
      const away = Math.hypot(x - 500, layout.y[i] - 500);
      if (away < least) { best = i; least = away; }
    });
    return best;
  }

  plot.addEventListener("pointermove", (event) => {
    if (pinned || event.pointerType === "touch") return;
    const i = under(event);
    if (i >= 0 && i !== current) show(i);
  });
  plot.addEventListener("click", (event) => {
    const i = under(event);
    pinned = i >= 0 && !(pinned && i === current);
    if (i >= 0) show(i);
  });
  plot.addEventListener("focus", () => { if (current < 0) show(middle()); });
  plot.addEventListener("keydown", (event) => {
    const last = layout.x.length - 1, from = Math.max(current, 0);
    let to = null;
    if (event.key in DIRECTIONS) to = current < 0 ? middle() : beside(current, DIRECTIONS[event.key]);
    if (event.key === "PageDown") to = Math.min(last, from + 1);
    if (event.key === "PageUp") to = Math.max(0, from - 1);
    if (event.key === "Home") to = 0;
    if (event.key === "End") to = last;
    if (event.key === "Escape") { pinned = false; show(-1); }
    if (to === null || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    pinned = true;
    show(to);
  });
  part(".layout").addEventListener("change", (event) => { layout = data.layouts[event.target.value]; draw(); });
  part(".colour").addEventListener("change", (event) => {
    colouring = data.colourings[event.target.value];
    only = null;
    explain();
    draw();
  });
  if (data.sheet) part(".pictures").addEventListener("change", draw);

  plot.tabIndex = 0;
  plot.setAttribute("role", "application");
  plot.setAttribute("aria-label", `${plot.getAttribute("aria-label")}. Arrow keys go from sample to sample, page down and up through all of them.`);
  part(".controls").hidden = card.hidden = false;
  explain();
  show(-1);
}

document.querySelectorAll("figure.map").forEach(startMap);
