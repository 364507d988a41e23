// A conversation with the model: streamed, stoppable, and forgotten with the tab.

import { chat, element, number, time } from "./server.js";
import { copyText, render } from "./markdown.js";

const at = (id) => document.getElementById(id);
const ideas = [
  "What is a mixture of experts?", "Why are the experts on workers?", "What is 551 + 56?",
  "Explain latent attention in three sentences.",
];
const settingNames = ["system", "temperature", "top_p", "min_p", "top_k", "max_tokens", "seed"];
const storageName = "conclave.settings";
const usualLength = 512;

let turns = [];
let answering = null;

export function startChat() {
  for (const text of ideas) {
    at("ideas").append(element("button", { type: "button", class: "idea", on: { click: () => ask(text) } }, text));
  }
  const prompt = at("prompt");
  prompt.addEventListener("input", fitPrompt);
  prompt.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    at("composer").requestSubmit();
  });
  at("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    if (!answering && prompt.value.trim()) ask(prompt.value.trim());
  });
  at("stop").addEventListener("click", stop);
  addEventListener("keydown", (event) => { if (event.key === "Escape" && answering) stop(); });
  at("new-chat").addEventListener("click", () => { stop(); turns = []; clear(); prompt.focus(); });
  startSettings();
  fitPrompt();
}

function clear() {
  for (const message of at("messages").querySelectorAll(".message")) message.remove();
  at("welcome").hidden = false;
}

function fitPrompt() {
  const prompt = at("prompt");
  prompt.style.height = "auto";
  prompt.style.height = `${Math.min(prompt.scrollHeight, innerHeight * 0.4)}px`;
  at("send").disabled = !prompt.value.trim();
}

// MARK: Settings

function startSettings() {
  const saved = JSON.parse(sessionStorage.getItem(storageName) ?? "{}");
  for (const name of settingNames) {
    const field = at(name);
    field.dataset.usual = field.value;
    if (saved[name] !== undefined) field.value = saved[name];
    field.addEventListener("input", saveSettings);
  }
  saveSettings();
  const isWide = matchMedia("(min-width: 1080px)");
  showSettings(isWide.matches);
  isWide.addEventListener("change", () => showSettings(isWide.matches));
  at("settings-button").addEventListener("click", () => showSettings(at("settings").hidden));
  at("settings-close").addEventListener("click", () => { showSettings(false); at("settings-button").focus(); });
  at("settings-reset").addEventListener("click", () => {
    for (const name of settingNames) at(name).value = at(name).dataset.usual;
    saveSettings();
  });
}

function showSettings(isShown) {
  at("settings").hidden = !isShown;
  at("settings-button").setAttribute("aria-expanded", isShown);
}

function saveSettings() {
  const values = {};
  for (const name of settingNames) values[name] = at(name).value;
  sessionStorage.setItem(storageName, JSON.stringify(values));
  for (const output of document.querySelectorAll(".slider output")) {
    output.textContent = Number(at(output.htmlFor.value).value).toFixed(2);
  }
}

function requestBody() {
  const system = at("system").value.trim();
  const body = {
    messages: [...(system ? [{ role: "system", content: system }] : []), ...turns],
    temperature: Number(at("temperature").value),
    max_tokens: Number(at("max_tokens").value) || usualLength,
  };
  if (Number(at("top_p").value) < 1) body.top_p = Number(at("top_p").value);
  if (Number(at("min_p").value) > 0) body.min_p = Number(at("min_p").value);
  if (Number(at("top_k").value) > 0) body.top_k = Number(at("top_k").value);
  if (at("seed").value !== "") body.seed = Number(at("seed").value);
  return body;
}

// MARK: Asking

function stop() { answering?.abort(); }

async function ask(text) {
  if (answering) return;
  at("welcome").hidden = true;
  at("prompt").value = "";
  fitPrompt();
  turns.push({ role: "user", content: text });
  const messages = at("messages");
  messages.append(element("article", { class: "message user", "aria-label": "You" }, element("div", { class: "body" }, text)));
  const answer = new Answer();
  messages.append(answer.node);
  messages.scrollTop = messages.scrollHeight;
  setBusy(new AbortController());
  try {
    for await (const part of chat(requestBody(), answering.signal)) answer.take(part);
    answer.finish();
  } catch (error) {
    answer.fail(error);
  }
  setBusy(null);
  if (answer.text) turns.push({ role: "assistant", content: answer.text });
  else turns.pop();
  at("prompt").focus({ preventScroll: true });
}

function setBusy(controller) {
  answering = controller;
  at("send").hidden = Boolean(controller);
  at("stop").hidden = !controller;
  at("messages").setAttribute("aria-busy", Boolean(controller));
}

/** An answer while it comes and afterwards. */
class Answer {
  text = "";
  #thinking = "";
  #start = performance.now();
  #first = 0;
  #parts = 0;
  #usage = null;
  #reason = null;
  #frame = 0;
  #thoughts = element("div", { class: "prose" });
  #summary = element("summary", {}, "Thinking");
  #details = element(
    "details", { class: "thinking", hidden: true, on: { toggle: () => this.#showThoughts() } }, this.#summary, this.#thoughts);
  #body = element("div", { class: "body prose waiting" });
  #foot = element("footer");
  node = element("article", { class: "message assistant", "aria-label": "The model" }, this.#details, this.#body, this.#foot);

  take(part) {
    if (part.usage) this.#usage = part.usage;
    const choice = part.choices?.[0];
    if (choice?.finish_reason) this.#reason = choice.finish_reason;
    const piece = choice?.delta?.content;
    const thought = choice?.delta?.reasoning_content;
    if (!piece && !thought) return;
    if (!this.#first) this.#first = performance.now();
    this.#parts += 1;
    this.text += piece ?? "";
    this.#thinking += thought ?? "";
    this.#frame ||= requestAnimationFrame(() => this.#show());
  }

  #show() {
    this.#frame = 0;
    const messages = at("messages");
    const isAtEnd = messages.scrollHeight - messages.scrollTop - messages.clientHeight < 80;
    this.#body.classList.toggle("waiting", !this.text);
    if (this.#thinking) {
      this.#details.hidden = false;
      this.#summary.textContent = this.text ? "Thoughts" : "Thinking";
      this.#showThoughts();
    }
    render(this.#body, this.text.trimStart());
    this.#foot.replaceChildren(...this.#facts());
    if (isAtEnd) messages.scrollTop = messages.scrollHeight;
  }

  #showThoughts() {
    if (this.#details.open) render(this.#thoughts, this.#thinking.trim());
  }

  #facts() {
    const now = performance.now();
    const tokens = this.#usage?.completion_tokens ?? this.#parts;
    const seconds = ((this.#end ?? now) - this.#first) / 1000;
    const facts = [];
    if (this.#first && tokens > 1 && seconds > 0) facts.push(`${number((tokens - 1) / seconds)} tokens/s`);
    if (this.#usage) facts.push(`${tokens} tokens`);
    if (this.#first) facts.push(`first after ${time((this.#first - this.#start) * 1000)}`);
    if (this.#reason === "length" && !this.text) facts.push("cut off while thinking: allow longer answers");
    else if (this.#reason === "length") facts.push("cut off at the longest answer");
    return facts.map((fact) => element("span", {}, fact));
  }

  #end;

  finish() {
    this.#end = performance.now();
    cancelAnimationFrame(this.#frame);
    this.#show();
    this.#body.classList.remove("waiting");
    const copy = element("button", { type: "button", class: "link" }, "Copy");
    copy.addEventListener("click", () => copyText(this.text, copy));
    this.#foot.append(copy);
  }

  fail(error) {
    this.finish();
    if (error.name === "AbortError") {
      this.#foot.prepend(element("span", {}, "stopped"));
      if (!this.text) this.node.remove();
      return;
    }
    if (error.status === 401) return this.node.remove();
    const wait = error.retryAfter ? ` Try again in ${error.retryAfter} s.` : "";
    const text = error instanceof TypeError ? "The server cannot be reached." : `${sentence(error.message)}${wait}`;
    this.node.append(element("p", { class: "problem", role: "alert" }, text));
  }
}

function sentence(text) {
  const first = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(first) ? first : `${first}.`;
}
