// The live view: links to workers, where time goes, and which experts are used.

import { bytes, count, drawing, element, number, time } from "./server.js";

const at = (id) => document.getElementById(id);
const historyLength = 60;
const history = [];  // the last pictures, oldest first

/** Shows a picture of the server; called about once a second. */
export function showCluster(now) {
  const restarted = history.length && now.uptimeSeconds < history.at(-1).uptimeSeconds;
  if (restarted) history.length = 0;
  history.push(now);
  if (history.length > historyLength) history.shift();
  showTiles(now);
  showMap(now);
  showTime(now);
  showHeat(now);
  showTable(now);
}

/** The picture about `seconds` ago. */
function before(seconds) {
  const end = history.at(-1).uptimeSeconds;
  return history.find((picture) => end - picture.uptimeSeconds <= seconds) ?? history.at(-1);
}

// MARK: Tiles

function showTiles(now) {
  const { tokens, engine, latency } = now;
  const tiles = [
    tile("Output", number(tokens.outputPerSecond), "tokens/s",
      `${count(tokens.output)} so far`, spark(history.map((picture) => picture.tokens.outputPerSecond))),
    tile("Prompts", number(tokens.promptPerSecond), "tokens/s",
      `${count(tokens.prompt)} so far${tokens.prompt ? `, ${Math.round(100 * tokens.cachedPrompt / tokens.prompt)} % cached` : ""}`,
      spark(history.map((picture) => picture.tokens.promptPerSecond))),
    tile("Requests", count(engine.running || Math.max(now.openRequests - 1, 0)), engine.running ? "running" : "open",
      engine.waiting ? `${count(engine.waiting)} wait` : "none waits"),
    engine.totalPages ? tile("Keys and values", `${Math.round(100 * engine.usedPages / engine.totalPages)}`, "% in use",
      `and ${Math.round(100 * engine.prefixPages / engine.totalPages)} % kept for later`, meter(engine.usedPages / engine.totalPages)) : null,
    tile("First token", latency.firstToken ? number(latency.firstToken.p50) : "–", "ms p50",
      latency.firstToken ? `p99 ${number(latency.firstToken.p99)} ms` : "nothing asked yet"),
    tile("Between tokens", latency.interToken ? number(latency.interToken.p50) : "–", "ms p50",
      latency.interToken ? `p99 ${number(latency.interToken.p99)} ms` : "nothing asked yet"),
    tile("Step", engine.step.count ? number(engine.step.p50 / 1000) : "–", "ms p50",
      engine.step.count ? `p99 ${number(engine.step.p99 / 1000)} ms` : "nothing computed yet"),
  ];
  at("tiles").replaceChildren(...tiles.filter(Boolean));
  at("about").textContent = `Conclave ${now.version}, up for ${uptime(now.uptimeSeconds)}`;
}

function tile(title, value, unit, note, extra) {
  return element("div", { class: "tile" }, element("h2", {}, title),
    element("p", { class: "value" }, element("b", {}, value), ` ${unit}`),
    element("p", { class: "note" }, note), extra ?? null);
}

function uptime(seconds) {
  if (seconds < 120) return `${Math.round(seconds)} seconds`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} minutes`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} hours`;
  return `${Math.round(seconds / 86400)} days`;
}

function spark(values) {
  const top = Math.max(...values, 1e-9);
  const step = 100 / (historyLength - 1);
  const offset = 100 - step * (values.length - 1);
  const points = values.map((value, index) => `${(offset + index * step).toFixed(2)},${(27 - 24 * value / top).toFixed(2)}`);
  return drawing("svg", { class: "spark", viewBox: "0 0 100 28", preserveAspectRatio: "none", "aria-hidden": "true" },
    drawing("polygon", { points: `${offset},28 ${points.join(" ")} 100,28` }),
    drawing("polyline", { points: points.join(" ") }));
}

function meter(fraction) {
  const bar = element("div", { class: "meter" }, element("i"));
  bar.firstChild.style.width = `${100 * Math.min(Math.max(fraction, 0), 1)}%`;
  return bar;
}

// MARK: The map of links

/** The colour of a worker; those of the first eight differ. */
const colour = (worker) => `var(--worker-${worker % 8})`;

function showMap(now) {
  const workers = now.cluster?.workers ?? [];
  at("map-note").textContent = workers.length ? "median round trip of a layer's call" : "";
  if (!workers.length) {
    return at("map").replaceChildren(element("p", { class: "empty" },
      now.cluster ? "Every expert is in this process. Start with --workers or --listen to spread them." : "This model has no routed experts."));
  }
  const width = Math.max(at("map").clientWidth, 260);
  const plan = width < 560 ? rows(workers, width) : ring(workers, width);
  const earlier = before(2);
  const calls = (picture, id) => picture.cluster?.workers.find((worker) => worker.id === id)?.link?.roundTrip.count ?? 0;
  const most = Math.max(...workers.map((worker) => worker.link?.roundTrip.count ?? 0), 1);
  const svg = drawing("svg", { viewBox: `0 0 ${width} ${plan.height}`, width, height: plan.height, role: "img", "aria-label": mapText(workers) });
  for (const { worker, path } of plan.places) {
    svg.append(drawing("path", { d: path, class: `link ${worker.state}`, stroke: colour(worker.id),
      "stroke-width": 2 + 3 * (worker.link?.roundTrip.count ?? 0) / most }));
    if (worker.state !== "lost" && calls(now, worker.id) > calls(earlier, worker.id)) {
      svg.append(drawing("path", { d: path, class: "flow" }));
    }
  }
  if (workers.length <= 24) svg.append(...plan.places.map(linkLabel));
  svg.append(plan.hub, ...plan.places.map((place) => node(place, plan.size)));
  at("map").replaceChildren(svg);
}

/** The coordinator in the middle, workers around it. */
function ring(workers, width) {
  const size = workers.length > 32 ? 10 : workers.length > 16 ? 14 : workers.length > 8 ? 19 : 24;
  const radius = { x: Math.min(width / 2 - size - 60, 330), y: 156 - size };
  const angles = workers.map((_, index) => (index / workers.length) * 2 * Math.PI + (workers.length === 2 ? Math.PI : -Math.PI / 2));
  const heights = angles.map((angle) => radius.y * Math.sin(angle));
  // As high as what is in it: three workers, say, have nothing below.
  const center = { x: width / 2, y: size + 34 - Math.min(...heights, -40) };
  const height = center.y + Math.max(...heights, 40) + size + 34;
  const places = workers.map((worker, index) => {
    const angle = angles[index];
    const x = center.x + radius.x * Math.cos(angle);
    const y = center.y + radius.y * Math.sin(angle);
    const isAbove = Math.sin(angle) < -0.3;
    return { worker, x, y, path: `M${center.x} ${center.y}L${x} ${y}`,
      middle: { x: center.x + (x - center.x) * 0.56, y: center.y + (y - center.y) * 0.56 },
      name: size > 14 ? { x, y: isAbove ? y - size - 13 : y + size + 21, anchor: "middle" } : null };
  });
  const hub = drawing("g", { class: "hub" },
    drawing("rect", { x: center.x - 52, y: center.y - 19, width: 104, height: 38, rx: 19 }),
    label(center.x, center.y + 4.5, "coordinator"));
  return { places, hub, size, height };
}

/** One coordinate of a point on a Bézier curve. */
function onCurve(t, a, b, c, d) {
  const s = 1 - t;
  return s * s * s * a + 3 * s * s * t * b + 3 * s * t * t * c + t * t * t * d;
}

/** For narrow screens: the coordinator on the left, a row for each worker. */
function rows(workers, width) {
  const step = workers.length > 12 ? 44 : 66;
  const size = workers.length > 12 ? 15 : 22;
  const height = Math.max(workers.length * step, 150);
  const half = Math.min(height / 2 - 6, 66);
  const x = width * 0.56;
  const places = workers.map((worker, index) => {
    const y = height / 2 + (index - (workers.length - 1) / 2) * step;
    const start = height / 2 + (y - height / 2) * Math.min(half * 1.3 / height, 1);
    const bend = (34 + x - size) / 2;
    return { worker, x, y, path: `M34 ${start}C${bend} ${start} ${bend} ${y} ${x - size} ${y}`,
      middle: { x: onCurve(0.6, 34, bend, bend, x - size), y: onCurve(0.6, start, start, y, y) },
      name: { x: x + size + 12, y: y + 4, anchor: "start" } };
  });
  const hub = drawing("g", { class: "hub" },
    drawing("rect", { x: 2, y: height / 2 - half, width: 34, height: 2 * half, rx: 17 }),
    drawing("text", { "text-anchor": "middle", transform: `translate(23.5 ${height / 2}) rotate(-90)` }, "coordinator"));
  return { places, hub, size, height };
}

function mapText(workers) {
  return workers.map((worker) => `worker ${worker.id}, ${worker.name}, ${worker.state}`
    + (worker.link ? `, round trip ${time(worker.link.roundTrip.p50)}` : "")).join("; ");
}

function label(x, y, text, name, anchor = "middle") {
  return drawing("text", { x, y, "text-anchor": anchor, class: name }, text);
}

function linkLabel({ worker, middle }) {
  const text = worker.state === "lost" ? "lost" : worker.link ? time(worker.link.roundTrip.p50) : "";
  const half = text.length * 3.5 + 8;
  return drawing("g", { class: `rtt ${worker.state}` }, ...(text ? [
    drawing("rect", { x: middle.x - half, y: middle.y - 11, width: 2 * half, height: 22, rx: 11 }),
    label(middle.x, middle.y + 4, text)] : []));
}

function node({ worker, x, y, name }, size) {
  const around = 2 * Math.PI * (size + 3);
  const held = worker.memoryBudget ? Math.min(worker.residentBytes / worker.memoryBudget, 1) : 0;
  return drawing("g", { class: `node ${worker.state}` },
    drawing("title", {}, `worker ${worker.id}: ${worker.name}\n${worker.state}${worker.lostReason ? `: ${worker.lostReason}` : ""}\n`
      + `${worker.loadedGroups} of ${worker.assignedGroups} expert groups, ${bytes(worker.residentBytes)} of ${bytes(worker.memoryBudget)}\n`
      + `${worker.cores} threads, ${worker.instructionSet}${worker.memoryBandwidth ? `, ${bytes(worker.memoryBandwidth)}/s` : ""}`),
    drawing("circle", { cx: x, cy: y, r: size + 5.5, class: "disc" }),
    drawing("circle", { cx: x, cy: y, r: size + 3, class: "track" }),
    drawing("circle", { cx: x, cy: y, r: size + 3, class: "held", stroke: colour(worker.id), "stroke-dasharray": `${around * held} ${around}`, transform: `rotate(-90 ${x} ${y})` }),
    label(x, y + 5, String(worker.id), "number"),
    ...(name ? [label(name.x, name.y, shortened(worker.name), "name", name.anchor)] : []));
}

const shortened = (text) => text.length > 18 ? `${text.slice(0, 17)}…` : text;

// MARK: Where time goes

const parts = [
  ["between", "attention, norms, router", "--part-1"],
  ["dispatch", "encode and send", "--part-2"],
  ["meanwhile", "shared experts", "--part-3"],
  ["network", "network", "--part-4"],
  ["compute", "routed experts", "--part-5"],
];

function showTime(now) {
  const time = timeOf(now);
  at("time-note").textContent = time ? time.note : "";
  if (!time) return at("time").replaceChildren(element("p", { class: "empty" }, "Nothing has been computed yet."));
  const total = parts.reduce((sum, [name]) => sum + time[name], 0);
  const bar = element("div", { class: "stack", role: "img",
    "aria-label": parts.map(([name, text]) => `${text}: ${number(time[name])} ms`).join("; ") });
  for (const [name, , variable] of parts) {
    const piece = element("i");
    piece.style.width = `${100 * time[name] / total}%`;
    piece.style.background = `var(${variable})`;
    bar.append(piece);
  }
  const rows = parts.map(([name, text, variable]) => {
    const dot = element("i");
    dot.style.background = `var(${variable})`;
    return element("li", {}, dot, element("span", {}, text), element("b", {}, `${number(time[name])} ms`),
      element("small", {}, `${Math.round(100 * time[name] / total)} %`));
  });
  at("time").replaceChildren(element("p", { class: "value" }, element("b", {}, number(total)), " ms in the layers with experts"),
    bar, element("ul", { class: "legend" }, ...rows));
}

/** Milliseconds for each token that was computed, lately or, when idle, since the start. */
function timeOf(now) {
  const layers = now.cluster?.layers.length ?? 0;
  if (!layers || !now.cluster.time.rows) return null;
  const recent = before(10);
  const isRecent = recent.cluster && now.cluster.time.rows > recent.cluster.time.rows;
  const earlier = isRecent ? recent.cluster : null;
  const difference = (name) => now.cluster.time[name] - (earlier?.time[name] ?? 0);
  const tokens = difference("rows") / layers;
  const each = (seconds) => 1000 * seconds / tokens;
  const hops = sumOfHops(now.cluster.workers, earlier?.workers);
  const combine = difference("combineSeconds");
  const network = hops.total > 0 ? combine * hops.network / hops.total : 0;
  const isLocal = !now.cluster.workers.length;
  return {
    between: each(difference("betweenSeconds")),
    // Without workers, dispatching is computing.
    dispatch: isLocal ? 0 : each(difference("dispatchSeconds")),
    meanwhile: each(difference("meanwhileSeconds")),
    network: each(network),
    compute: each(combine - network + (isLocal ? difference("dispatchSeconds") : 0)),
    note: isRecent ? "of the last 10 s, prompts included" : "since the start, prompts included",
  };
}

function sumOfHops(workers, earlier) {
  const sum = (list, hop) => (list ?? []).reduce((total, worker) =>
    total + (worker.link ? worker.link[hop].mean * worker.link[hop].count : 0), 0);
  const difference = (hop) => Math.max(sum(workers, hop) - sum(earlier, hop), 0);
  const network = difference("network");
  return { network, total: network + difference("queue") + difference("compute") };
}

// MARK: Experts

let heatCells = null;
let heatMode = "use";
for (const choice of document.querySelectorAll("#heat-choice input")) {
  choice.addEventListener("change", () => { heatMode = choice.value; if (history.length) showHeat(history.at(-1)); });
}

function showHeat(now) {
  const layers = now.cluster?.layers ?? [];
  document.getElementById("heat-title").closest("article").hidden = !layers.length;
  if (!layers.length) return;
  const experts = layers[0].uses.length;
  const uses = layers.reduce((sum, layer) => sum + layer.uses.reduce((a, b) => a + b, 0), 0);
  at("heat-note").textContent = `${layers.length} layers × ${experts} experts, ${count(uses)} uses since the start`;
  at("heat-choice").hidden = !(now.cluster.workers.length);
  const canvas = at("heat-canvas");
  const width = at("heat").clientWidth;
  const gutter = 34;
  const cell = { width: (width - gutter) / experts, height: Math.min(Math.max(300 / layers.length, 5), 26) };
  const height = Math.ceil(cell.height * layers.length) + 20;
  const ratio = devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    canvas.style.height = `${height}px`;
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  const style = getComputedStyle(document.documentElement);
  paintCells(pen, now, layers, cell, gutter, style);
  paintAxes(pen, layers, experts, cell, gutter, style);
  heatCells = { layers, cell, gutter, experts, now };
  canvas.setAttribute("aria-label", heatText(layers));
  showScale(now);
}

function paintCells(pen, now, layers, cell, gutter, style) {
  const groups = now.cluster.groupCount;
  const gap = cell.width > 5 && cell.height > 5 ? 1 : 0.4;
  for (const [row, layer] of layers.entries()) {
    const mean = layer.uses.reduce((a, b) => a + b, 0) / layer.uses.length;
    for (const [index, used] of layer.uses.entries()) {
      const share = mean ? Math.min(used / mean / 3, 1) : 0;
      pen.fillStyle = heatMode === "worker" && layer.holders.length
        ? workerFill(layer.holders[groupOf(index, groups, layer.uses.length)]?.[0], share, style)
        : heatFill(share, style);
      pen.fillRect(gutter + index * cell.width, row * cell.height, Math.max(cell.width - gap, 0.6), Math.max(cell.height - gap, 0.6));
    }
  }
}

const groupOf = (expert, groups, experts) => Math.floor(((expert + 1) * groups - 1) / experts);

/** From nearly nothing to the full colour: how often an expert is used, as a multiple of the mean. */
function heatFill(share, style) {
  const value = Math.sqrt(share);
  return `color-mix(in oklab, ${style.getPropertyValue("--heat-high")} ${Math.round(100 * value)}%, ${style.getPropertyValue("--heat-low")})`;
}

function workerFill(worker, share, style) {
  if (worker === undefined) return style.getPropertyValue("--heat-low");
  const strength = Math.round(25 + 75 * Math.sqrt(share));
  return `color-mix(in oklab, ${style.getPropertyValue(`--worker-${worker % 8}`)} ${strength}%, ${style.getPropertyValue("--heat-low")})`;
}

function paintAxes(pen, layers, experts, cell, gutter, style) {
  pen.fillStyle = style.getPropertyValue("--faint");
  pen.font = "11px system-ui, sans-serif";
  pen.textBaseline = "middle";
  pen.textAlign = "right";
  const every = Math.ceil(14 / cell.height);
  for (const [row, layer] of layers.entries()) {
    if (row % every === 0) pen.fillText(String(layer.layer), gutter - 8, (row + 0.5) * cell.height);
  }
  pen.textAlign = "center";
  const wanted = Math.max(Math.floor((cell.width * experts) / 60), 1);
  const step = [1, 2, 4, 8, 16, 32, 64, 128].find((size) => experts / size <= wanted) ?? 256;
  for (let expert = 0; expert < experts; expert += step) {
    pen.fillText(String(expert), gutter + (expert + 0.5) * cell.width, layers.length * cell.height + 11);
  }
}

function heatText(layers) {
  let best = { used: -1 };
  for (const layer of layers) for (const [expert, used] of layer.uses.entries()) if (used > best.used) best = { used, expert, layer: layer.layer };
  return `How often each expert is used. The most used one is expert ${best.expert} of layer ${best.layer}, ${count(best.used)} times.`;
}

function showScale(now) {
  if (heatMode === "use") {
    return at("heat-scale").replaceChildren(element("span", {}, "never"), element("i", { class: "ramp" }), element("span", {}, "three times the layer's mean and more"));
  }
  at("heat-scale").replaceChildren(...now.cluster.workers.slice(0, 16).map((worker) => {
    const dot = element("i", { class: "dot" });
    dot.style.background = colour(worker.id);
    return element("span", {}, dot, `worker ${worker.id}`);
  }));
}

at("heat-canvas").addEventListener("pointermove", (event) => {
  const box = at("heat-canvas").getBoundingClientRect();
  showTip(event.clientX - box.left, event.clientY - box.top);
});
at("heat-canvas").addEventListener("pointerleave", () => { at("heat-tip").hidden = true; });

function showTip(x, y) {
  const tip = at("heat-tip");
  const column = heatCells ? Math.floor((x - heatCells.gutter) / heatCells.cell.width) : -1;
  const row = heatCells ? Math.floor(y / heatCells.cell.height) : -1;
  const layer = heatCells?.layers[row];
  tip.hidden = !layer || column < 0 || column >= heatCells.experts;
  if (tip.hidden) return;
  const mean = layer.uses.reduce((a, b) => a + b, 0) / layer.uses.length;
  const holders = layer.holders[groupOf(column, heatCells.now.cluster.groupCount, layer.uses.length)] ?? [];
  tip.replaceChildren(element("b", {}, `layer ${layer.layer}, expert ${column}`), element("span", {},
    `${count(layer.uses[column])} uses${mean ? `, ${number(layer.uses[column] / mean)} × the mean` : ""}`),
  ...(holders.length ? [element("span", {}, `on worker ${holders.join(", ")}`)] : []));
  const width = at("heat").clientWidth;
  tip.style.left = `${Math.min(Math.max(x - tip.offsetWidth / 2, 0), width - tip.offsetWidth)}px`;
  tip.style.top = `${Math.max(y - tip.offsetHeight - 12, 0)}px`;
}

// MARK: The table

function showTable(now) {
  const workers = now.cluster?.workers ?? [];
  at("table-panel").hidden = !workers.length;
  if (!workers.length) return;
  const head = ["worker", "name", "state", "groups", "held", "calls", "p50", "p99", "max", "network", "queue", "compute"];
  const micro = (value) => value === undefined ? "–" : value.toLocaleString("en", { maximumFractionDigits: value < 10 ? 1 : 0 });
  const rows = workers.map((worker) => {
    const dot = element("i", { class: "dot" });
    dot.style.background = colour(worker.id);
    const cells = [worker.name, worker.lostReason ? `lost: ${worker.lostReason}` : worker.state,
      `${worker.loadedGroups}/${worker.assignedGroups}`, bytes(worker.residentBytes),
      worker.link ? count(worker.link.roundTrip.count) : "–", micro(worker.link?.roundTrip.p50),
      micro(worker.link?.roundTrip.p99), micro(worker.link?.roundTrip.max), micro(worker.link?.network.p50),
      micro(worker.link?.queue.p50), micro(worker.link?.compute.p50)];
    return element("tr", {}, element("th", { scope: "row" }, dot, String(worker.id)),
      ...cells.map((cell, index) => element("td", { class: index < 2 ? undefined : "right" }, cell)));
  });
  at("table").replaceChildren(
    element("thead", {}, element("tr", {}, ...head.map((title, index) => element("th", { scope: "col", class: index < 3 ? undefined : "right" }, title)))),
    element("tbody", {}, ...rows));
}

addEventListener("resize", () => {
  if (!history.length || at("cluster").hidden) return;
  showMap(history.at(-1));
  showHeat(history.at(-1));
});
