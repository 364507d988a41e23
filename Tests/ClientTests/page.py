"""Uses the web page as a person does, in headless Chromium, and takes screenshots.

    python page.py COMMAND MODEL FOLDER

starts `COMMAND serve MODEL` with three workers and a key, and writes its pictures to FOLDER.
Needs selenium, and Debian's chromium and chromium-driver. It ends with 1 if anything is wrong.
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile
import time

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

problems = []


def check(condition, text):
    print(("ok    " if condition else "WRONG ") + text, flush=True)
    if not condition:
        problems.append(text)


class Server:
    """`conclave serve` with a key, while a test runs."""

    def __init__(self, command, model, folder):
        keys = f"{folder}/keys"
        made = subprocess.run([command, "keys", "api", "new", "tester", "--file", keys],
                              capture_output=True, text=True, check=True)
        self.key = made.stdout.strip()
        self.log = open(f"{folder}/log", "w+")
        self.process = subprocess.Popen(
            [command, "serve", model, "--http", "127.0.0.1:0", "--keys", keys, "--workers", "3",
             "--threads", "1", "--name", "demo"], stderr=self.log)
        self.address = self.wait_for_address()

    def wait_for_address(self):
        for _ in range(600):
            found = re.search(r"listening on (http://\S+)", pathlib.Path(self.log.name).read_text())
            if found:
                return found.group(1)
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        raise SystemExit("the server does not start: " + pathlib.Path(self.log.name).read_text())

    def end(self):
        self.process.terminate()
        check(self.process.wait(30) == 0, "the server ends with 0")


def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                     "--disable-dev-shm-usage", "--disable-background-networking"]:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(options, webdriver.ChromeService("/usr/bin/chromedriver"))


class Page:
    def __init__(self, driver, server, folder):
        self.driver, self.server, self.folder = driver, server, folder

    def at(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def wait(self, condition, text, seconds=20):
        try:
            WebDriverWait(self.driver, seconds, 0.05).until(lambda _: condition())
            check(True, text)
        except Exception as error:  # whatever went wrong while waiting is the answer
            check(False, f"{text} ({type(error).__name__})")

    def look(self, width, height, scheme, phone=False):
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": height, "deviceScaleFactor": 2 if phone else 1,
            "mobile": phone})
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {
            "features": [{"name": "prefers-color-scheme", "value": scheme}]})
        time.sleep(0.4)

    def picture(self, name):
        self.driver.save_screenshot(f"{self.folder}/{name}.png")

    def ask(self, text):
        count = len(self.all(".message.assistant"))
        self.at("#prompt").send_keys(text, Keys.ENTER)
        self.wait(lambda: len(self.all(".message.assistant")) > count and self.is_idle(),
                  f"an answer to “{text}”")
        return self.all(".message.assistant")[-1].text

    def is_idle(self):
        return self.at("#stop").get_attribute("hidden") is not None

    def script(self, text):
        return self.driver.execute_async_script(text)


def test_key(page):
    page.driver.get(page.server.address)
    page.wait(lambda: page.at("#key-dialog").get_attribute("open") is not None,
              "without a key the page asks for one")
    page.at("#key").send_keys("sk-conclave-wrong", Keys.ENTER)
    page.wait(lambda: "does not know" in page.at("#key-problem").text, "a wrong key is told")
    page.picture("key-dialog")
    page.at("#key").clear()
    page.at("#key").send_keys(page.server.key, Keys.ENTER)
    page.wait(lambda: "3 workers" in page.at("#lamp").text, "the right key opens it")
    check(page.at("#model-name").text == "demo", "the header names the model")
    kept = page.driver.execute_script(
        "return [Object.values(sessionStorage).length, localStorage.length, document.cookie]")
    check(kept[0] >= 1 and kept[1] == 0 and kept[2] == "", "the key is in sessionStorage only")


def test_chat(page):
    page.picture("chat-empty-wide-light")
    check("607" in page.ask("What is 551 + 56?"), "the model answers")
    check("tokens/s" in page.all(".message.assistant footer")[-1].text, "the answer has its speed")
    page.ask("What is a mixture of experts?")
    page.ask("Why are the experts on workers?")
    page.at("#max_tokens").clear()
    page.at("#max_tokens").send_keys("3")
    page.ask("What is a router?")
    check("cut off" in page.all(".message.assistant footer")[-1].text, "a short answer says so")
    page.at("#settings-reset").click()


def test_stop(page):
    """A stream that never ends, by a stand-in for fetch, because the demo model is fast."""
    page.driver.execute_script("""
      const real = window.fetch; window.realFetch = real;
      window.fetch = (path, options) => !String(path).includes('/v1/chat') ? real(path, options)
        : Promise.resolve(new Response(new ReadableStream({ start(out) {
            const text = new TextEncoder();
            const send = () => { try { out.enqueue(text.encode(
              'data: {"choices":[{"delta":{"content":"on and "}}]}\\n\\n')); } catch { clearInterval(timer); } };
            const timer = setInterval(send, 20);
            options.signal.addEventListener('abort', () => { clearInterval(timer);
              out.error(new DOMException('', 'AbortError')); });
        } })));""")
    page.at("#prompt").send_keys("Go on", Keys.ENTER)
    page.wait(lambda: "on and on and" in page.all(".message.assistant")[-1].text, "text streams in")
    check(page.at("#stop").is_displayed() and not page.at("#send").is_displayed(),
          "while it streams there is a stop button")
    page.at("#stop").click()
    page.wait(page.is_idle, "the stop button ends the answer")
    check("stopped" in page.all(".message.assistant footer")[-1].text, "a stopped answer says so")
    page.driver.execute_script("window.fetch = window.realFetch")


HOSTILE = r"""
<script>window.hacked = 1</script><img src=x onerror="window.hacked = 1">
[a](javascript:window.hacked=1) [b](data:text/html,x) ![c](https://example.com/x.png)
<a href="javascript:window.hacked=1">d</a> [e](JaVaScRiPt:window.hacked=1) <javascript:alert(1)>
`<b>` **<i>bold</i>** [f](https://example.com/"onclick="window.hacked=1)
"""
RICH = """# Title

A paragraph with **bold**, *italic*, `code`, ~~gone~~ and a [link](https://example.com/a_b).

- one
- two
  - inner

3. three
4. four

| left | right |
|------|------:|
| a    | 1     |

> quoted

```swift
let x = "<b>"
```

---
2 * 3 * 4 and snake_case_name stay."""


def test_markdown(page):
    def render(text):
        return page.script("""
          const done = arguments[arguments.length - 1];
          import('/page/markdown.js').then((module) => { const node = document.createElement('div');
            const text = %s; for (let end = 1; end <= text.length; end += 7) module.render(node, text.slice(0, end));
            module.render(node, text); document.body.append(node);
            const whole = document.createElement('div'); module.render(whole, text);
            setTimeout(() => { const html = node.innerHTML; node.remove();
              done([html, window.hacked ?? null, html === whole.innerHTML,
                [...node.querySelectorAll('*')].flatMap((one) => one.getAttributeNames().map((name) => name + '=' + one.getAttribute(name)))]); },
              300); });""" % json.dumps(text))
    html, hacked, same, attributes = render(HOSTILE)
    check(hacked is None, "hostile text runs nothing")
    check(not re.search(r"<(script|img|i|iframe)\b", html), "hostile text makes no elements")
    targets = [text[5:] for text in attributes if text.startswith("href=")]
    check(targets and all(t.startswith("https://example.com/") for t in targets),
          f"links lead to the web only: {targets}")
    check(not [text for text in attributes if re.match("on|src|style", text)],
          "no attribute runs or loads anything")
    check(same, "text that streams in ends as text that came whole")
    html, _, same, _ = render(RICH)
    for part in ["<h2>Title</h2>", "<strong>bold</strong>", "<em>italic</em>", "<code>code</code>",
                 "<del>gone</del>", 'href="https://example.com/a_b"', "<ol start=\"3\"", "<td>a</td>",
                 '<td class="right">1</td>', "<blockquote><p>quoted</p></blockquote>", "<hr>",
                 "let x = \"&lt;b&gt;\"", "2 * 3 * 4 and snake_case_name stay.", "<li>inner</li>"]:
        check(part in html, f"markdown gives {part}")
    check(same, "rich text that streams in ends as text that came whole")


def test_cluster(page):
    page.at('nav a[data-view="cluster"]').click()
    page.wait(lambda: len(page.all("#map .node")) == 3, "the map has three workers")
    page.wait(lambda: len(page.all("#map .rtt text")) == 3, "each link has its round trip")
    check("µs" in page.at("#map").text or "ms" in page.at("#map").text, "round trips have units")
    check(len(page.all("#table tbody tr")) == 3, "the table has three rows")
    check("layers" in page.at("#heat-note").text, "the heat map says what it shows")
    label = page.at("#heat-canvas").get_attribute("aria-label")
    check("most used" in (label or ""), "the heat map has words for those who cannot see it")
    check("routed experts" in page.at("#time").text, "the time of a token is broken down")


def test_access(page):
    unnamed = page.driver.execute_script("""
      return [...document.querySelectorAll('button, input, textarea, a, canvas, svg[role=img]')].filter((node) => {
        const label = node.labels?.length || node.getAttribute('aria-label') || node.textContent.trim()
          || node.title; return !label; }).map((node) => node.outerHTML.slice(0, 80));""")
    check(not unnamed, f"everything one can use has a name {unnamed}")
    wide = page.driver.execute_script(
        "return document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    check(wide, "nothing is wider than the screen")
    # The body shows what fits and hides the rest, so that its own width tells nothing.
    for view in ["chat", "cluster"]:
        page.at(f'nav a[data-view="{view}"]').click()
        for width in [1280, 1000, 700, 390]:
            page.look(width, 900, "light")
            right = page.driver.execute_script("""
              return Math.max(...[...document.querySelectorAll('.bar, #chat > *, #cluster > *')]
                .map((node) => node.getBoundingClientRect().right));""")
            check(right <= width, f"{view} fits into {width} pixels, it ends at {right}")


def take_pictures(page):
    for view in ["chat", "cluster"]:
        page.at(f'nav a[data-view="{view}"]').click()
        for name, width, height, phone in [("wide", 1360, 860, False), ("phone", 390, 844, True)]:
            for scheme in ["light", "dark"]:
                page.look(width, 1200 if view == "cluster" and not phone else height, scheme, phone)
                # A little work for the figures to show.
                page.script("""const done = arguments[arguments.length - 1];
                  import('/page/server.js').then(async ({ chat }) => { for (let i = 0; i < 4; i += 1)
                    for await (const part of chat({ messages: [{ role: 'user', content: 'What is 12 + ' + i + '?' }],
                      max_tokens: 60 })); setTimeout(done, 1500); });""")
                page.driver.execute_script("document.querySelector('#messages').scrollTop = 1e6")
                page.picture(f"{view}-{name}-{scheme}")
                test_access(page)
                if phone and view == "cluster":
                    page.driver.execute_script("document.querySelector('#cluster').scrollTop = 700")
                    time.sleep(0.2)
                    page.picture(f"{view}-{name}-{scheme}-below")


def check_log(driver, address):
    lines = [entry["message"] for entry in driver.get_log("browser")
             if entry["level"] in ("SEVERE", "WARNING") and " 401 " not in entry["message"]]
    check(not lines, f"the console is quiet {lines}")
    asked = set()
    for entry in driver.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            asked.add(message["params"]["request"]["url"])
    foreign = {url for url in asked if not url.startswith(address) and not url.startswith("data:")}
    check(asked and not foreign, f"no other server was asked {foreign}")


def main():
    command, model, folder = sys.argv[1:4]
    pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        server = Server(command, model, scratch)
        driver = browser()
        try:
            page = Page(driver, server, folder)
            page.look(1360, 860, "light")
            for test in [test_key, test_chat, test_stop, test_markdown, test_cluster]:
                test(page)
            take_pictures(page)
            check_log(driver, server.address)
        finally:
            driver.quit()
            server.end()
    print(f"{len(problems)} wrong")
    sys.exit(1 if problems else 0)


main()
