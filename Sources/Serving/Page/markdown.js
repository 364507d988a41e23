// Markdown as language models write it, made into elements. No text ever becomes markup: every
// piece goes into the page as a text node, links lead only to http, https and mailto, and images
// are shown as links, so that an answer can neither run code nor ask another server.

import { element } from "./server.js";

/** Shows `text` in `parent`; only the blocks that changed since the last call are made again. */
export function render(parent, text) {
  const sources = blocks(text);
  const old = parent.blockSources ?? [];
  let same = 0;
  while (same < sources.length && same < old.length && old[same] === sources[same]) same += 1;
  while (parent.childNodes.length > same) parent.lastChild.remove();
  for (const source of sources.slice(same)) parent.append(block(source));
  parent.blockSources = sources;
}

/** Cuts a text into blocks: fences whole, everything else at empty lines. */
function blocks(text) {
  const result = [];
  let current = [];
  let fence = null;
  const finish = () => { if (current.length) result.push(current.join("\n")); current = []; };
  for (const line of text.replace(/\r\n?/g, "\n").split("\n")) {
    const mark = line.match(/^ {0,3}(`{3,}|~{3,})(.*)$/);
    if (fence) {
      current.push(line);
      if (mark && mark[1][0] === fence[0] && mark[1].length >= fence.length && !mark[2].trim()) { fence = null; finish(); }
    } else if (mark && !(mark[1][0] === "`" && mark[2].includes("`"))) {
      if (!isList(current)) finish();
      if (current.length && /^\s/.test(line)) { current.push(line); continue; }
      finish();
      fence = mark[1];
      current.push(line);
    } else if (!line.trim()) {
      // An empty line inside a list keeps it together when the next line goes on.
      if (isList(current)) current.push(""); else finish();
    } else {
      if (isList(current) && current.at(-1) === "" && !isItem(line) && !/^\s/.test(line)) finish();
      if (/^ {0,3}#{1,6}\s/.test(line) || isRule(line)) { finish(); current.push(line); finish(); continue; }
      if (isList(current) && /^\S/.test(line) && isItem(line) && isOrdered(line) !== isOrdered(current[0])) finish();
      if (isItem(line) && current.length && !isList(current) && !isTable(current)) finish();
      current.push(line);
    }
  }
  finish();
  return result;
}

const isRule = (line) => /^ {0,3}([-*_])(\s*\1){2,}\s*$/.test(line);
const isOrdered = (line) => /^\s*\d/.test(line);
const isItem = (line) => /^\s*([-*+]|\d{1,9}[.)])\s+/.test(line);
const isList = (lines) => lines.length > 0 && isItem(lines[0]);
const isTable = (lines) => lines.length > 1 && lines[0].includes("|") && /^\s*\|?[\s:|-]*-[\s:|-]*$/.test(lines[1]);

function block(source) {
  const lines = source.split("\n");
  const fence = lines[0].match(/^ {0,3}(`{3,}|~{3,})\s*([\w+#.-]*)/);
  if (fence) return code(lines, fence);
  const heading = lines[0].match(/^ {0,3}(#{1,6})\s+(.*?)\s*#*\s*$/);
  if (heading) return element(`h${Math.min(heading[1].length + 1, 6)}`, {}, ...inline(heading[2]));
  if (isRule(source)) return element("hr");
  if (isList(lines)) return list(lines);
  if (isTable(lines)) return table(lines);
  if (lines.every((line) => /^ {0,3}>/.test(line))) {
    const quote = element("blockquote");
    render(quote, lines.map((line) => line.replace(/^ {0,3}> ?/, "")).join("\n"));
    return quote;
  }
  return element("p", {}, ...lines.flatMap((line, index) => [
    ...(index ? [/ {2,}$|\\$/.test(lines[index - 1]) ? element("br") : document.createTextNode("\n")] : []),
    ...inline(line.trim().replace(/\\$/, "")),
  ]));
}

function code(lines, fence) {
  const isClosed = lines.length > 1 && lines.at(-1).trim().startsWith(fence[1]);
  const text = lines.slice(1, isClosed ? -1 : undefined).join("\n");
  const copy = element("button", { type: "button", class: "link" }, "Copy");
  copy.addEventListener("click", () => copyText(text, copy));
  return element("div", { class: "code" },
    element("div", { class: "code-head" }, element("span", {}, fence[2] || "text"), copy),
    element("pre", { tabindex: "0" }, element("code", {}, text)));
}

/** Puts a text on the clipboard and says so on the button. */
export async function copyText(text, button) {
  const label = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Not allowed";
  }
  setTimeout(() => { button.textContent = label; }, 1500);
}

function list(lines) {
  const isNumbered = isOrdered(lines[0]);
  const first = lines[0].match(/^(\s*)([-*+]|\d{1,9}[.)])\s+/);
  const items = [];
  for (const line of lines) {
    const mark = line.match(/^(\s*)([-*+]|\d{1,9}[.)])\s+/);
    if (mark && mark[1].length <= first[1].length + 1) items.push([line.slice(mark[0].length)]);
    else items.at(-1).push(line.replace(new RegExp(`^\\s{0,${first[0].length}}`), ""));
  }
  const start = isNumbered ? Number(first[2].slice(0, -1)) : 1;
  const node = element(isNumbered ? "ol" : "ul");
  if (start !== 1) node.setAttribute("start", start);
  for (const item of items) node.append(listItem(item));
  return node;
}

function listItem(lines) {
  const node = element("li");
  const nested = lines.findIndex((line, index) => index > 0 && (isItem(line) || /^\s*(```|~~~)/.test(line)));
  const own = (nested < 0 ? lines : lines.slice(0, nested)).join("\n").trim();
  const paragraphs = own.split(/\n{2,}/);
  if (paragraphs.length > 1) render(node, own);
  else node.append(...inline(own.replace(/\n/g, " ")));
  if (nested >= 0) {
    const rest = element("div");
    render(rest, lines.slice(nested).join("\n"));
    node.append(...rest.childNodes);
  }
  return node;
}

function table(lines) {
  const cells = (line) => line.trim().replace(/^\||\|$/g, "").split(/(?<!\\)\|/).map((cell) => cell.trim().replace(/\\\|/g, "|"));
  const sides = cells(lines[1]).map((cell) => /^:-+:$/.test(cell) ? "center" : /-:$/.test(cell) ? "right" : "");
  const row = (line, name) => element("tr", {}, ...cells(line).slice(0, sides.length).map((cell, index) =>
    element(name, { class: sides[index] || undefined }, ...inline(cell))));
  return element("div", { class: "scroll", tabindex: "0" }, element("table", {},
    element("thead", {}, row(lines[0], "th")),
    element("tbody", {}, ...lines.slice(2).filter((line) => line.trim()).map((line) => row(line, "td")))));
}

const patterns = [
  { match: /^\\([!-/:-@[-`{-~])/, make: ([, text]) => document.createTextNode(text) },
  { match: /^(`+)(?!`)([\s\S]*?[^`])\1(?!`)/, make: ([, , text]) => element("code", {}, text.replace(/^ (.*) $/, "$1")) },
  { match: /^\*\*(?=\S)([\s\S]*?\S)\*\*(?!\*)/, make: ([, text]) => element("strong", {}, ...inline(text)) },
  { match: /^__(?=\S)([\s\S]*?\S)__(?![\w_])/, make: ([, text]) => element("strong", {}, ...inline(text)), atWord: true },
  { match: /^\*(?=[^\s*])([^*]*?[^\s*])\*(?!\*)/, make: ([, text]) => element("em", {}, ...inline(text)) },
  { match: /^_(?=[^\s_])([^_]*?[^\s_])_(?!\w)/, make: ([, text]) => element("em", {}, ...inline(text)), atWord: true },
  { match: /^~~(?=\S)([\s\S]*?\S)~~/, make: ([, text]) => element("del", {}, ...inline(text)) },
  { match: /^!?\[([^\]\n]*)\]\(\s*<?([^\s)>]+)>?(?:\s+["'][^"']*["'])?\s*\)/, make: ([, text, target]) => link(target, text || target) },
  { match: /^<((?:https?:\/\/|mailto:)[^\s>]+)>/, make: ([, target]) => link(target, target) },
  { match: /^https?:\/\/[^\s<>"'`]*[^\s<>"'`.,:;!?)\]]/, make: ([target]) => link(target, target), atWord: true },
];

/** The nodes of one line's markup. */
export function inline(text, depth = 0) {
  if (depth > 8) return [document.createTextNode(text)];
  const nodes = [];
  let plain = "";
  let index = 0;
  while (index < text.length) {
    const rest = text.slice(index);
    const isWordStart = index === 0 || !/\w/.test(text[index - 1]);
    const found = /[\\`*_~![<h]/.test(text[index]) && patterns
      .filter((pattern) => !pattern.atWord || isWordStart)
      .map((pattern) => ({ pattern, match: rest.match(pattern.match) })).find(({ match }) => match);
    if (!found) { plain += text[index]; index += 1; continue; }
    if (plain) nodes.push(document.createTextNode(plain));
    plain = "";
    nodes.push(found.pattern.make(found.match));
    index += found.match[0].length;
  }
  if (plain) nodes.push(document.createTextNode(plain));
  return nodes;
}

/** A link to a harmless place; anything else stays text. */
function link(target, text) {
  let url = null;
  try { url = new URL(target); } catch { /* relative: it would lead to this server */ }
  if (!url || !["http:", "https:", "mailto:"].includes(url.protocol)) return document.createTextNode(text);
  return element("a", { href: url.href, target: "_blank", rel: "noopener noreferrer nofollow" }, text);
}
