"use strict";
// Draw or choose a picture; ask the server what the network makes of it; show probabilities and layers.
// Names come from files: they are only ever text.

const $ = (id) => document.getElementById(id);
const paper = $("paper");
const pen = paper.getContext("2d", { willReadFrequently: true });
const WIDTH = 20; // of a line, in pixels of the paper
const MOST_BARS = 10;

let run = null; // what /run.json says
let strokes = []; // each a list of points
let drawing = null; // the number of the pointer that draws
let asking = false;
let encoding = 0; // papers that are becoming pictures
let changes = 0; // counts what was drawn
let newest = 0; // the change up to which the server was asked: pictures may be ready in another order
let waiting = null; // the last picture that came while the server was asked
let page = 0; // counts the papers and pictures, so that an answer to one that is gone is dropped

// The paper

function redraw() {
  pen.fillStyle = "#ffffff";
  pen.fillRect(0, 0, paper.width, paper.height);
  pen.strokeStyle = pen.fillStyle = "#000000";
  pen.lineWidth = WIDTH;
  pen.lineCap = pen.lineJoin = "round";
  for (const points of strokes) {
    pen.beginPath();
    pen.moveTo(points[0].x, points[0].y);
    for (const p of points) pen.lineTo(p.x + (points.length === 1 ? 0.01 : 0), p.y);
    pen.stroke();
  }
  $("undo").disabled = $("clear").disabled = strokes.length === 0;
}

function place(event) {
  const box = paper.getBoundingClientRect();
  return {
    x: ((event.clientX - box.left) / box.width) * paper.width,
    y: ((event.clientY - box.top) / box.height) * paper.height,
  };
}

paper.addEventListener("pointerdown", (event) => {
  if (drawing !== null || event.button !== 0) return;
  event.preventDefault();
  drawing = event.pointerId;
  paper.setPointerCapture(drawing);
  strokes.push([place(event)]);
  drawn();
});

paper.addEventListener("pointermove", (event) => {
  if (event.pointerId !== drawing) return;
  const events = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
  strokes[strokes.length - 1].push(...(events.length ? events : [event]).map(place));
  drawn();
});

for (const kind of ["pointerup", "pointercancel"]) {
  paper.addEventListener(kind, (event) => {
    if (event.pointerId === drawing) drawing = null;
  });
}

function drawn() {
  redraw();
  if (strokes.length === 0) return forget();
  const now = page;
  const change = (changes += 1);
  encoding += 1;
  paper.toBlob((blob) => {
    encoding -= 1;
    if (change > newest) {
      newest = change;
      ask(blob, now);
    }
    tell();
  }, "image/png");
  tell();
}

function undo() {
  strokes.pop();
  if (strokes.length === 0) page += 1;
  drawn();
}

function clear() {
  strokes = [];
  $("picture").hidden = true;
  paper.hidden = false;
  drawing = null;
  page += 1;
  drawn();
  say("");
}

$("undo").addEventListener("click", undo);
$("clear").addEventListener("click", clear);
document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key === "z" && strokes.length) undo();
  if (event.key === "Escape") clear();
});

// Pictures

function choose(file) {
  if (!file) return;
  if (run && file.size > run.most) return say(`a picture may have ${run.most >> 20} MB`);
  strokes = [];
  redraw();
  const picture = $("picture");
  if (picture.src) URL.revokeObjectURL(picture.src);
  picture.src = URL.createObjectURL(file);
  picture.hidden = false;
  paper.hidden = true;
  $("clear").disabled = false;
  page += 1;
  ask(file, page);
}

$("file").addEventListener("change", (event) => {
  choose(event.target.files[0]);
  event.target.value = "";
});
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("over");
});
document.addEventListener("dragleave", () => document.body.classList.remove("over"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("over");
  choose(event.dataTransfer.files[0]);
});
document.addEventListener("paste", (event) => choose(event.clipboardData.files[0]));

// Asking: one question at a time, then the newest

async function ask(blob, number) {
  if (asking) {
    waiting = [blob, number];
    return;
  }
  asking = true;
  tell();
  try {
    const reply = await fetch("look", { method: "POST", headers: { "Content-Type": blob.type }, body: blob });
    const found = await reply.json();
    if (number === page) {
      say(reply.ok ? "" : found.error);
      if (reply.ok) show(found);
      else forget();
    }
  } catch {
    say("the server does not answer: is graphnn-demo still running?");
  }
  asking = false;
  const next = waiting;
  waiting = null;
  if (next) ask(...next);
  tell();
}

// Tell those who do not see it, too, whether what is shown is the last word.
function tell() {
  $("bars").setAttribute("aria-busy", String(asking || encoding > 0));
}

function say(text) {
  $("said").textContent = text;
}

// Showing

function bars() {
  const list = $("bars");
  const count = Math.min(run.classes.length, MOST_BARS);
  list.classList.toggle("long", run.classes.some((name) => name.length > 3));
  for (let k = 0; k < count; k += 1) {
    const row = document.createElement("li");
    for (const kind of ["label", "track", "share"]) {
      const part = row.appendChild(document.createElement("span"));
      part.className = kind;
      if (kind === "track") part.appendChild(document.createElement("span")).className = "bar";
    }
    list.appendChild(row);
  }
  fill(null);
}

function fill(probabilities) {
  const all = run.classes.map((_, k) => k);
  const few = all.length <= MOST_BARS;
  const order = few || !probabilities ? all : all.sort((a, b) => probabilities[b] - probabilities[a]);
  const best = probabilities ? probabilities.indexOf(Math.max(...probabilities)) : -1;
  [...$("bars").children].forEach((row, k) => {
    const p = probabilities ? probabilities[order[k]] : 0;
    const named = few || probabilities;
    row.querySelector(".label").textContent = named ? run.classes[order[k]] : "";
    row.querySelector(".label").title = named ? run.classes[order[k]] : "";
    row.querySelector(".bar").style.width = `${100 * p}%`;
    row.querySelector(".share").textContent = probabilities ? `${(100 * p).toFixed(1)}%` : "";
    row.classList.toggle("first", order[k] === best);
  });
  $("answer").textContent = best < 0 ? "\u00a0" : `${run.classes[best]}, ${(100 * probabilities[best]).toFixed(1)}%`;
}

function forget() {
  if (run) fill(null);
  $("seen").hidden = true;
  $("layers").replaceChildren();
}

function show(found) {
  fill(found.probabilities);
  const [c, h, w] = found.input.shape;
  const data = bytes(found.input.data);
  const at = (x, y, k) => data[(c === 3 ? k * h * w : 0) + y * w + x];
  paint($("input"), w, h, (x, y) => [at(x, y, 0), at(x, y, 1), at(x, y, 2)]);
  $("seen").hidden = false;
  const section = $("layers");
  while (section.children.length > found.layers.length) section.lastChild.remove();
  found.layers.forEach((layer, k) => {
    if (!section.children[k]) section.appendChild(frame());
    fillLayer(section.children[k], layer);
  });
}

function frame() {
  const part = document.createElement("div");
  part.className = "layer";
  const head = part.appendChild(document.createElement("h2"));
  head.append(document.createTextNode(""), document.createElement("span"));
  part.appendChild(document.createElement("canvas"));
  return part;
}

function fillLayer(part, layer) {
  const [n, h, w] = layer.shape;
  const [head, canvas] = part.children;
  head.firstChild.data = `${layer.name} `;
  head.lastChild.textContent = `${layer.sizes.join(" x ")}${layer.sizes.length === 3 && n < layer.sizes[0] ? `, the first ${n}` : ""}`;
  const columns = Math.min(n, window.innerWidth < 700 ? 8 : 16);
  const gap = w < 12 ? 1 : 2;
  const rows = Math.ceil(n / columns);
  const data = bytes(layer.data);
  const empty = [0, 0, 0, 0];
  paint(canvas, columns * (w + gap) - gap, rows * (h + gap) - gap, (x, y) => {
    const [i, j] = [x % (w + gap), y % (h + gap)];
    const k = Math.floor(y / (h + gap)) * columns + Math.floor(x / (w + gap));
    return i >= w || j >= h || k >= n ? empty : HEAT[data[(k * h + j) * w + i]];
  });
  // a row of sixteen fills the page; what has no channels is a strip
  canvas.style.width = n > 1 ? `${(canvas.width * 64) / (w + gap)}px` : `${Math.min(w * 24, 768)}px`;
  canvas.style.height = n > 1 ? "" : `${h * 14}px`;
}

function paint(canvas, width, height, colour) {
  canvas.width = width;
  canvas.height = height;
  const image = new ImageData(width, height);
  for (let y = 0, k = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1, k += 4) {
      const [r, g, b, a = 255] = colour(x, y);
      image.data[k] = r;
      image.data[k + 1] = g;
      image.data[k + 2] = b;
      image.data[k + 3] = a;
    }
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

function bytes(text) {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}

// black, violet, red, yellow, white: brighter is more, for every eye
const STOPS = [[0, 0, 4], [81, 18, 124], [183, 55, 121], [252, 137, 97], [252, 253, 191]];
const HEAT = Array.from({ length: 256 }, (_, v) => {
  const t = (v / 255) * (STOPS.length - 1);
  const k = Math.min(Math.floor(t), STOPS.length - 2);
  return STOPS[k].map((a, c) => Math.round(a + (STOPS[k + 1][c] - a) * (t - k)));
});

async function begin() {
  redraw();
  tell();
  run = await (await fetch("run.json")).json();
  document.title = `${run.name} - graphnn`;
  $("name").textContent = run.name;
  $("network").textContent = run.network;
  if (run.shape[0] !== 1) $("hint").textContent = "Drop a picture here, choose or paste one, or draw.";
  bars();
}

begin();
