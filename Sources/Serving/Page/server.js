// Talks to the server that this page came from, and to no other.

const storageName = "conclave.key";

/** Keeps the API key for as long as this tab lives. */
export const key = {
  get value() { return sessionStorage.getItem(storageName) ?? ""; },
  set value(text) {
    if (text) sessionStorage.setItem(storageName, text);
    else sessionStorage.removeItem(storageName);
  },
};

/** Told when the server refuses the key, or the lack of one. */
export const refusals = new EventTarget();

/** What the server answered instead of what was asked for. */
export class ServerError extends Error {
  constructor(status, message, retryAfter) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

async function request(path, options = {}) {
  const headers = new Headers(options.headers);
  if (key.value) headers.set("authorization", `Bearer ${key.value}`);
  const response = await fetch(path, { ...options, headers, cache: "no-store", credentials: "omit" });
  if (response.ok) return response;
  let message = `the server answered with status ${response.status}`;
  try {
    message = (await response.json()).error.message ?? message;
  } catch { /* not JSON: the status has to do */ }
  const error = new ServerError(response.status, message, Number(response.headers.get("retry-after")) || 0);
  if (response.status === 401) refusals.dispatchEvent(new CustomEvent("refused", { detail: error }));
  throw error;
}

/** The state of server, engine and cluster. */
export async function picture(signal) {
  return (await request("/cluster", { signal })).json();
}

/** Sends a conversation; yields the parts of the answer as they come. */
export async function* chat(body, signal) {
  const response = await request("/v1/chat/completions", {
    method: "POST", signal, headers: { "content-type": "application/json" },
    body: JSON.stringify({ ...body, stream: true, stream_options: { include_usage: true } }),
  });
  for await (const data of events(response.body)) {
    if (data === "[DONE]") return;
    const part = JSON.parse(data);
    if (part.error) throw new ServerError(0, part.error.message, 0);
    yield part;
  }
  throw new ServerError(0, "the connection ended before the answer did", 0);
}

/** The data of server-sent events. */
async function* events(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const pieces = (rest + value).split(/\r?\n\r?\n/);
      rest = pieces.pop();
      for (const piece of pieces) {
        const data = piece.split(/\r?\n/).filter((line) => line.startsWith("data:"))
          .map((line) => line.slice(5).replace(/^ /, "")).join("\n");
        if (data) yield data;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** Makes an element: text is always text, never markup. */
export function element(name, properties = {}, ...children) {
  const node = document.createElement(name);
  for (const [property, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (property === "class") node.className = value;
    else if (property === "on") for (const [type, run] of Object.entries(value)) node.addEventListener(type, run);
    else if (property in node && typeof value !== "string") node[property] = value;
    else node.setAttribute(property, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** Makes an SVG element. */
export function drawing(name, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [attribute, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== null) node.setAttribute(attribute, value);
  }
  node.append(...children);
  return node;
}

/** A number with about three significant digits. */
export function number(value) {
  if (!Number.isFinite(value)) return "–";
  const digits = value === 0 ? 0 : Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toLocaleString("en", { minimumFractionDigits: Math.min(digits, 2), maximumFractionDigits: Math.min(digits, 2) });
}

/** Microseconds in the unit that suits them. */
export function time(microseconds) {
  if (!Number.isFinite(microseconds)) return "–";
  if (microseconds < 1000) return `${number(microseconds)} µs`;
  if (microseconds < 1e6) return `${number(microseconds / 1e3)} ms`;
  return `${number(microseconds / 1e6)} s`;
}

/** Bytes in the unit that suits them. */
export function bytes(count) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (count >= 999.5 && unit < units.length - 1) { count /= 1000; unit += 1; }
  return `${unit ? number(count) : Math.round(count)} ${units[unit]}`;
}

/** A count that stays short. */
export function count(value) {
  return value < 10000 ? value.toLocaleString("en") : Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 }).format(value);
}
