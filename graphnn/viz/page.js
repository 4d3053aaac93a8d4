"use strict";
// The page of graphnn-viz: what is shown comes from #data and is set as text, never as markup.
(() => {
  const find = (id) => document.getElementById(id);
  const data = JSON.parse(find("data").textContent);
  const stage = find("stage"), panel = find("panel"), search = find("search"), matches = find("matches");
  const pictures = [...document.querySelectorAll(".picture")];
  const views = pictures.map((element, k) => prepare(element, data.views[k]));
  let view = views[0], found = [], here = -1, chosen = null;

  // One picture: its boxes by id, the part of it that shows.
  function prepare(element, own) {
    const svg = element.querySelector("svg");
    const whole = svg.viewBox.baseVal;
    const made = { element, svg, boxes: new Map(), whole: [whole.x, whole.y, whole.width, whole.height], at: null };
    svg.removeAttribute("width");
    svg.removeAttribute("height");
    for (const node of svg.querySelectorAll(".node")) {
      const id = node.querySelector("title").textContent;
      const box = own.boxes[id];
      if (!box) continue;
      box.id = id;
      box.text = [...box.lines, ...box.layers.map((x) => x.name + " " + x.operator), box.rest].join("\n").toLowerCase();
      node.setAttribute("tabindex", "0");
      node.setAttribute("role", "button");
      node.setAttribute("aria-label", box.lines.join(", "));
      node.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        choose(id);
      });
      node.addEventListener("focus", () => { if (node.matches(":focus-visible")) reveal(id); });
      made.boxes.set(id, { node, box });
    }
    for (const title of svg.querySelectorAll("title")) title.remove();
    return made;
  }

  // Where the font of the layout is not here, text is narrowed to its box.
  function narrow() {
    for (const node of view.svg.querySelectorAll(".node")) {
      const frame = node.querySelector("path, polygon");
      if (!frame) continue;
      const room = frame.getBBox().width - 12;
      for (const text of node.querySelectorAll("text")) {
        if (text.getComputedTextLength() <= room) continue;
        text.setAttribute("textLength", room);
        text.setAttribute("lengthAdjust", "spacingAndGlyphs");
      }
    }
  }

  // Zoom and pan: `at` is the part of the picture that shows, as x, y, width, height.
  function show(at) {
    view.at = at;
    view.svg.setAttribute("viewBox", at.map((n) => n.toFixed(2)).join(" "));
  }

  function fit() {
    // the whole, but no smaller than can be read: a tall network shows its beginning
    const [x, y, width, height] = view.whole;
    const size = stage.getBoundingClientRect();
    const scale = Math.min(1.6, Math.max(0.55, Math.min(size.width / width, size.height / height)));
    const wide = size.width / scale, high = size.height / scale;
    const top = high < height ? y : y + (height - high) / 2;
    show([x + (width - wide) / 2, top, wide, high]);
  }

  function whole() {
    const [x, y, width, height] = view.whole;
    const size = stage.getBoundingClientRect();
    const scale = Math.min(1.6, size.width / width, size.height / height);
    const wide = size.width / scale, high = size.height / scale;
    show([x + (width - wide) / 2, y + (height - high) / 2, wide, high]);
  }

  function zoom(factor, px = 0.5, py = 0.5) {
    const [x, y, width, height] = view.at;
    const limit = Math.max(view.whole[2], view.whole[3]) * 6;
    const wide = Math.min(Math.max(width * factor, 40), limit);
    const high = height * (wide / width);
    show([x + (width - wide) * px, y + (height - high) * py, wide, high]);
  }

  function move(dx, dy) {
    const [x, y, width, height] = view.at;
    show([x + dx * width, y + dy * height, width, height]);
  }

  function place(id) {
    const { node } = view.boxes.get(id);
    const box = node.getBBox();
    const matrix = view.svg.querySelector(".graph").transform.baseVal.consolidate().matrix;
    return [(box.x + box.width / 2) * matrix.a + matrix.e, (box.y + box.height / 2) * matrix.d + matrix.f];
  }

  function centre(id) {
    const [x, y] = place(id);
    const [, , width, height] = view.at;
    show([x - width / 2, y - height / 2, width, height]);
  }

  function reveal(id) {
    const [x, y] = place(id);
    const [left, top, width, height] = view.at;
    if (x < left || x > left + width || y < top || y > top + height) centre(id);
  }

  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    const size = stage.getBoundingClientRect();
    const step = Math.min(Math.max(event.deltaY, -100), 100) / 100;
    zoom(1.25 ** step, (event.clientX - size.left) / size.width, (event.clientY - size.top) / size.height);
  }, { passive: false });

  // Dragging: with one pointer the picture moves, with two it zooms too.
  const pointers = new Map();
  let moved = false, pressed = null;
  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    pointers.set(event.pointerId, [event.clientX, event.clientY]);
    if (pointers.size === 1) {
      moved = false;
      pressed = event.target.closest(".node");
    }
  });
  stage.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const size = stage.getBoundingClientRect();
    const now = [event.clientX, event.clientY];
    if (!moved && Math.hypot(now[0] - before[0], now[1] - before[1]) < 4) return;
    if (!moved) {
      stage.setPointerCapture(event.pointerId);
      stage.classList.add("dragging");
    }
    moved = true;
    const others = [...pointers.entries()].filter(([id]) => id !== event.pointerId);
    move((before[0] - now[0]) / size.width / pointers.size, (before[1] - now[1]) / size.height / pointers.size);
    if (others.length === 1) {
      const [, other] = others[0];
      const gap = (p) => Math.max(Math.hypot(p[0] - other[0], p[1] - other[1]), 1);
      zoom(gap(before) / gap(now), ((now[0] + other[0]) / 2 - size.left) / size.width, ((now[1] + other[1]) / 2 - size.top) / size.height);
    }
    pointers.set(event.pointerId, now);
  });
  const release = (event) => {
    if (!pointers.delete(event.pointerId) || pointers.size) return;
    stage.classList.remove("dragging");
    if (moved || event.type !== "pointerup") return;
    const entry = [...view.boxes.entries()].find(([, x]) => x.node === pressed);
    if (entry) choose(entry[0]);
  };
  for (const kind of ["pointerup", "pointercancel"]) stage.addEventListener(kind, release);

  const KEYS = {
    "+": () => zoom(1 / 1.25), "=": () => zoom(1 / 1.25), "-": () => zoom(1.25), 0: whole,
    ArrowLeft: () => move(-0.1, 0), ArrowRight: () => move(0.1, 0), ArrowUp: () => move(0, -0.1), ArrowDown: () => move(0, 0.1),
    PageUp: () => move(0, -0.8), PageDown: () => move(0, 0.8), Home: fit,
  };
  stage.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !Object.hasOwn(KEYS, event.key)) return;
    event.preventDefault();
    KEYS[event.key]();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && document.activeElement !== search) {
      event.preventDefault();
      search.focus();
    }
  });
  find("in").addEventListener("click", () => zoom(1 / 1.25));
  find("out").addEventListener("click", () => zoom(1.25));
  find("fit").addEventListener("click", whole);
  addEventListener("resize", () => {
    const size = stage.getBoundingClientRect();
    const [x, y, width] = view.at;
    show([x, y, width, width * size.height / size.width]);
  });

  // Search: highlights what matches, and goes from one to the next.
  function look() {
    const words = search.value.trim().toLowerCase();
    for (const { node } of view.boxes.values()) node.classList.remove("found", "here");
    stage.classList.toggle("searching", words !== "");
    found = words === "" ? [] : [...view.boxes.entries()].filter(([, x]) => x.box.text.includes(words)).map(([id]) => id);
    for (const id of found) view.boxes.get(id).node.classList.add("found");
    here = -1;
    if (found.length) next();
    else matches.textContent = words === "" ? "" : "no match";
  }

  // First the match that shows is chosen, then the next one.
  function step() {
    if (!found.length) return;
    if (chosen === view.boxes.get(found[here]).node) next();
    choose(found[here]);
  }

  function next() {
    if (!found.length) return;
    if (here >= 0) view.boxes.get(found[here]).node.classList.remove("here");
    here = (here + 1) % found.length;
    view.boxes.get(found[here]).node.classList.add("here");
    matches.textContent = `${here + 1} of ${found.length}`;
    centre(found[here]);
  }

  search.addEventListener("input", look);
  search.addEventListener("keydown", (event) => {
    if (event.key === "Enter") {
      event.preventDefault();
      step();
    }
    if (event.key === "Escape") {
      search.value = "";
      look();
    }
  });
  find("next").addEventListener("click", step);

  // The panel of the chosen box.
  function element(name, text = "", kind = "") {
    const made = document.createElement(name);
    made.textContent = text;
    if (kind) made.className = kind;
    return made;
  }

  function facts(pairs) {
    const list = element("dl");
    for (const [key, value] of pairs) {
      if (value === null || value === undefined || value === "") continue;
      list.append(element("dt", key), element("dd", String(value)));
    }
    return list;
  }

  function links(heading, edges) {
    if (!edges.length) return [];
    const list = element("ul");
    for (const [id, shape] of edges) {
      const item = element("li");
      const link = element("button", view.boxes.get(id).box.label, "link");
      link.type = "button";
      link.addEventListener("click", () => {
        choose(id);
        centre(id);
        view.boxes.get(id).node.focus({ preventScroll: true });
      });
      item.append(link);
      if (shape) item.append(element("span", ` ${shape}`, "hint"));
      list.append(item);
    }
    return [element("h3", heading), list];
  }

  function layer(x) {
    return facts([["operator", x.operator], ["name", x.name], ...x.values, ["made at", x.origin]]);
  }

  function choose(id) {
    if (chosen) chosen.classList.remove("chosen");
    const { node, box } = view.boxes.get(id);
    chosen = node;
    node.classList.add("chosen");
    panel.replaceChildren(element("h2", box.label));
    for (const line of box.more) panel.append(element("p", line));
    if (box.layers.length === 1) panel.append(layer(box.layers[0]));
    panel.append(...links("reads", box.reads), ...links("is read by", box.readers));
    if (box.layers.length > 1) {
      panel.append(element("h3", `${box.count} layers`));
      for (const x of box.layers) {
        const details = element("details"), summary = element("summary", x.name);
        summary.append(element("span", ` ${x.operator}`));
        details.append(summary, layer(x));
        panel.append(details);
      }
      if (box.count > box.layers.length) panel.append(element("p", `and ${box.count - box.layers.length} more`, "hint"));
    }
    panel.scrollTop = 0;
  }

  // Several pictures of one network: how much of it is opened.
  const buttons = data.views.length < 2 ? [] : data.views.map((own, k) => {
    const button = element("button", own.name);
    button.type = "button";
    button.addEventListener("click", () => turn(k));
    find("views").append(button);
    return button;
  });

  function turn(k) {
    view = views[k];
    pictures.forEach((picture, i) => { picture.hidden = i !== k; });
    buttons.forEach((button, i) => button.setAttribute("aria-pressed", String(i === k)));
    if (!view.at) {
      narrow();
      fit();
    }
    look();
  }

  turn(0);
})();
