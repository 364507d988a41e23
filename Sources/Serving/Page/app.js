// Wires the views together: which one is shown, what the header says, and the API key.

import { startChat } from "./chat.js";
import { showCluster } from "./cluster.js";
import { key, picture, refusals } from "./server.js";

const views = ["chat", "cluster"];
const at = (id) => document.getElementById(id);

function currentView() {
  const name = location.hash.slice(1);
  return views.includes(name) ? name : "chat";
}

function showView() {
  const current = currentView();
  for (const name of views) at(name).hidden = name !== current;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.dataset.view === current) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = current === "chat" ? "Conclave" : "Conclave: cluster";
  look();
}

// MARK: The state of the server

let timer = 0;
let looking = null;

async function look() {
  clearTimeout(timer);
  looking?.abort();
  looking = new AbortController();
  const limit = setTimeout((controller) => controller.abort(), 5000, looking);
  const own = looking;
  try {
    const now = await picture(looking.signal);
    if (own !== looking) return;
    showHeader(now);
    if (currentView() === "cluster") showCluster(now);
  } catch (error) {
    if (own !== looking) return;
    if (error.status === 401) setLamp("locked", "needs a key");
    else setLamp("off", error.status ? error.message : "not reached");
  } finally {
    clearTimeout(limit);
    if (own === looking) schedule();
  }
}

function schedule() {
  clearTimeout(timer);
  if (document.hidden) return;
  timer = setTimeout(look, currentView() === "cluster" ? 1000 : 5000);
}

function setLamp(state, text) {
  const lamp = at("lamp");
  if (lamp.dataset.state !== state) lamp.dataset.state = state;
  if (at("lamp-text").textContent !== text) at("lamp-text").textContent = text;
}

function showHeader(now) {
  at("model-name").textContent = now.model;
  const workers = now.cluster?.workers ?? [];
  const ready = workers.filter((worker) => worker.state === "ready").length;
  if (!workers.length) return setLamp("on", "serving");
  const text = ready === workers.length
    ? `${ready} ${ready === 1 ? "worker" : "workers"}` : `${ready} of ${workers.length} workers`;
  setLamp(ready === workers.length ? "on" : "part", text);
}

// MARK: The key

const dialog = at("key-dialog");

function askForKey(problem) {
  at("key-problem").textContent = problem ?? "";
  at("key-problem").hidden = !problem;
  at("key").value = key.value;
  if (!dialog.open) dialog.showModal();
  at("key").focus();
}

at("key-button").addEventListener("click", () => askForKey());
at("key-cancel").addEventListener("click", () => dialog.close());
at("key-forget").addEventListener("click", () => { key.value = ""; dialog.close(); look(); });
at("key-form").addEventListener("submit", () => { key.value = at("key").value.trim(); look(); });
refusals.addEventListener("refused", () => {
  if (!dialog.open) askForKey(key.value ? "The server does not know this key." : null);
});

addEventListener("hashchange", showView);
document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
startChat();
showView();
