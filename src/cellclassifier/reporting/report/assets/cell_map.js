"use strict";
// The cells in a plane: colours, and a legend that switches types on and off.
const CellMap = (async () => {
  const told = JSON.parse(document.getElementById("data").textContent).map;
  if (!told) return;

  const unpack = (text, Kind) => {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    return new Kind(bytes.buffer);
  };
  const codes = unpack(told.code, Uint16Array);
  const confidence = Float32Array.from(unpack(told.confidence, Uint16Array), (c) => c / told.steps);
  const novelty = told.novelty
    ? Float32Array.from(unpack(told.novelty, Uint16Array), (n) => (n * told.top_novelty) / told.steps)
    : null;
  const sets = told.set ? unpack(told.set, Uint16Array) : null;
  const sizes = told.set_size ? unpack(told.set_size, Uint16Array) : null;
  const statuses = told.status ? unpack(told.status, Uint8Array) : null;
  const list = (numbers, names) => (numbers ? Array.from(numbers, (n) => names[n]) : null);

  // viridis at eleven points, between which the page mixes
  const VIRIDIS = [
    [68, 1, 84], [72, 36, 117], [65, 68, 135], [53, 95, 141], [42, 120, 142], [33, 145, 140],
    [34, 168, 132], [68, 191, 112], [122, 209, 81], [189, 223, 38], [253, 231, 37],
  ];
  const SHADES = Array.from({ length: 256 }, (_, shade) => {
    const at = (shade / 255) * (VIRIDIS.length - 1);
    const low = Math.min(Math.floor(at), VIRIDIS.length - 2);
    const mixed = VIRIDIS[low].map((part, n) => part + (at - low) * (VIRIDIS[low + 1][n] - part));
    return `rgb(${mixed.map(Math.round).join(",")})`;
  });
  const SIZES = ["#8c8c8c", "#0072b2", "#e69f00", "#d55e00", "#a01a58"];
  const STATUS = ["#a01a58", "#cc79a7", "#d55e00", "#e69f00", "#0072b2"];
  const highest = (values) => values.reduce((top, value) => Math.max(top, value), 0);
  const shaded = (values, low, high) =>
    Array.from(values, (value) => SHADES[Math.round((255 * (value - low)) / (high - low || 1))]);

  const COLOURINGS = {
    type: () => Array.from(codes, (code) => told.colours[code]),
    confidence: () => shaded(confidence, 0, 1),
    novelty: () => shaded(novelty, 0, told.top_novelty),
    set_size: () => Array.from(sizes, (size) => SIZES[Math.min(size, SIZES.length - 1)]),
    status: () => Array.from(statuses, (status) => STATUS[status]),
  };
  const SCALES = {
    confidence: ["0", "1"],
    novelty: ["0", novelty ? told.top_novelty.toFixed(1) : ""],
  };

  await Plots.ready;
  const source = Plots.named("cells");
  const [inside, outside] = ["shown cells", "hidden cells"].map(Plots.named);
  const shown = told.labels.map(() => true);
  source.data = {
    x: unpack(told.x, Float32Array),
    y: unpack(told.y, Float32Array),
    name: told.names,
    type: list(codes, told.labels),
    confidence,
    novelty: novelty || new Float32Array(codes.length),
    set: list(sets, told.sets) || Array(codes.length).fill(""),
    status: list(statuses, told.statuses) || Array(codes.length).fill(""),
    colour: COLOURINGS.type(),
  };

  // --- the legend
  const legend = document.getElementById("legend");
  const counts = told.labels.map(() => 0);
  for (const code of codes) counts[code] += 1;
  const order = told.labels.map((_, code) => code).filter((code) => counts[code]);
  order.sort((a, b) => counts[b] - counts[a]);
  const switches = new Map();
  const update = () => {
    for (const [code, button] of switches) button.setAttribute("aria-pressed", String(shown[code]));
    inside.booleans = Array.from(codes, (code) => shown[code]);
    outside.booleans = inside.booleans.map((isShown) => !isShown); // left as a shadow
  };
  const element = (name, parent, text = "", className = "") => {
    const made = document.createElement(name);
    made.textContent = text;
    if (className) made.className = className;
    parent.append(made);
    return made;
  };
  const button = (parent, label, act) => {
    const made = element("button", parent);
    made.type = "button";
    made.addEventListener("click", () => {
      act();
      update();
    });
    if (label) made.setAttribute("aria-label", label);
    return made;
  };
  const showOnly = (wanted) => shown.forEach((_, code) => (shown[code] = wanted(code)));
  for (const code of order) {
    const item = element("li", legend);
    const own = button(item, "", () => (shown[code] = !shown[code]));
    own.className = "type";
    element("span", own, "", "swatch").style.setProperty("--own", told.colours[code]);
    element("span", own, told.labels[code], "label");
    element("span", own, counts[code].toLocaleString("en"), "size");
    switches.set(code, own);
    const alone = button(item, `Only ${told.labels[code]}`, () => showOnly((other) => other === code));
    alone.className = "only";
    alone.textContent = "only";
  }
  document.getElementById("show-all").addEventListener("click", () => {
    showOnly(() => true);
    update();
  });
  document.getElementById("show-none").addEventListener("click", () => {
    showOnly(() => false);
    update();
  });
  update();

  // --- what the colours mean
  const scale = document.getElementById("scale");
  const keys = document.getElementById("keys");
  const explain = (by) => {
    const ends = SCALES[by];
    scale.hidden = !ends;
    if (ends) {
      scale.firstElementChild.textContent = ends[0];
      scale.lastElementChild.textContent = ends[1];
    }
    legend.classList.toggle("plain", by !== "type");
    keys.replaceChildren();
    const add = (colour, text) => {
      const item = element("li", keys);
      element("span", item, "", "swatch").style.setProperty("--own", colour);
      element("span", item, text);
    };
    if (by === "set_size") {
      const most = Math.min(highest(sizes), SIZES.length - 1);
      for (let size = 0; size <= most; size += 1) {
        add(SIZES[size], `${size}${size === SIZES.length - 1 ? " or more" : ""} types`);
      }
    }
    if (by === "status") {
      const there = new Set(statuses);
      told.statuses.forEach((name, code) => there.has(code) && add(STATUS[code], name));
    }
    keys.hidden = !keys.children.length;
  };
  const choices = document.querySelectorAll("button[data-colours]");
  for (const choice of choices) {
    choice.addEventListener("click", () => {
      const by = choice.dataset.colours;
      for (const other of choices) other.setAttribute("aria-pressed", String(other === choice));
      source.data = { ...source.data, colour: COLOURINGS[by]() };
      explain(by);
    });
  }
  explain("type");
})();
// for whoever waits until all is drawn
Promise.all([Plots.ready, CellMap]).then(() => (document.documentElement.dataset.ready = "yes"));
