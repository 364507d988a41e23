#!/usr/bin/env python3
"""Real processes under faults: a server with workers, an open-loop stream of requests whose answers
are known, and a fault every few seconds. Prints what was injected, lost, wrong, and how long answers
stood still.

    Benchmarks/chaos/chaos.py --conclave .build/release/conclave --model MODEL --seconds 300

Every request is greedy, so that its text is a function of its prompt. The expected texts come from a
run without faults and without workers. Exit status 1 when an answer was wrong or an accepted request
was lost.
"""

import argparse, collections, http.client, json, os, queue, random, signal, socket, struct
import subprocess, sys, tempfile, threading, time

PROMPTS = [
    "Once upon a time", "The answer to the question", "In the beginning there was", "A list of colours:",
    "What is 551 + 56?", "Tell me about a small house", "The cat and the dog", "One two three four",
]


class Stream(threading.Thread):
    """One streamed completion; notes when each part came."""

    def __init__(self, cluster, prompt, tokens):
        super().__init__(daemon=True)
        self.cluster, self.prompt, self.tokens = cluster, prompt, tokens
        self.text, self.times, self.problem, self.accepted = "", [], None, False
        self.begin = time.monotonic()
        self.last_id, self.next_id, self.resumed = None, None, 0

    def run(self):
        """Sends the request; a stream that breaks is resumed where it broke."""
        self.attempt()
        while self.last_id and self.problem and self.problem.startswith("connection"):
            if self.cluster.is_ending or self.resumed > 100:
                return
            time.sleep(0.2)
            self.resumed += 1
            self.problem = None
            self.attempt()

    def attempt(self):
        body = json.dumps({
            "prompt": self.prompt, "temperature": 0, "max_tokens": self.tokens, "stream": True,
            "ignore_eos": True})
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.cluster.http, timeout=180)
            headers = {"Content-Type": "application/json"}
            if self.last_id:
                headers["Last-Event-ID"] = self.last_id
            connection.request("POST", "/v1/completions", body, headers)
            response = connection.getresponse()
            if response.status != 200:
                self.problem = f"status {response.status}: {response.read(300)!r}"
                return
            self.accepted = True
            self.read(response)
        except OSError as error:
            self.problem = f"connection: {error}"
        except http.client.HTTPException as error:
            self.problem = f"connection: {error!r}"

    def read(self, response):
        for line in response:
            if line.startswith(b"id: "):
                self.next_id = line[4:].strip().decode()
            if not line.startswith(b"data: "):
                continue
            data = line[6:].strip()
            if data == b"[DONE]":
                return
            part = json.loads(data)
            if "error" in part:
                self.problem = part["error"]["message"]
                return
            self.times.append(time.monotonic())
            self.text += part["choices"][0]["text"]
            self.last_id = self.next_id
        self.problem = "connection: the stream ended early"


class Cluster:
    """A server and its workers, each of which may be replaced at any time."""

    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.control, self.data, self.http = options.port, options.port + 1, options.port + 2
        self.workers, self.links, self.server = {}, {}, None
        self.is_ending = False
        self.model = os.path.abspath(options.model)

    def log(self, name):
        return open(os.path.join(self.folder, name + ".log"), "ab")

    def start_server(self):
        self.server = subprocess.Popen(
            [self.options.conclave, "serve", self.model, "--http", f"127.0.0.1:{self.http}",
             "--listen", f"tcp://127.0.0.1:{self.control}", "--data-port", str(self.data),
             "--expect", str(self.options.workers), "--replicas", str(self.options.replicas),
             "--verify-fraction", str(self.options.verify_fraction), "--threads", "1",
             "--name", "chaos", "--journal", os.path.join(self.folder, "journal")],
            stdout=subprocess.DEVNULL, stderr=self.log("server"))

    def start_link(self, name):
        """A link of its own for each worker, at an address of its own."""
        host = f"127.0.0.{10 + int(name.split('-')[1])}"
        command = [self.options.conclave, "emulate-link", "--obey-input"]
        for port in (self.control, self.data):
            command += ["--listen", f"{host}:{port}", "--to", f"127.0.0.1:{port}"]
        self.links[name] = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=self.log("links"))
        return host

    def change(self, name, text):
        """Tells the link of a worker to be otherwise."""
        self.links[name].stdin.write(text.encode() + b"\n")
        self.links[name].stdin.flush()

    def start_worker(self, name):
        if name not in self.links:
            self.start_link(name)
        host = f"127.0.0.{10 + int(name.split('-')[1])}"
        command = [
            self.options.conclave, "worker", "--join", f"tcp://{host}:{self.control}", "--name",
            name, "--threads", "1", "--memory", self.options.memory]
        if int(name.split("-")[1]) % 2 == 0:
            command += ["--model", self.model]  # the others are sent their experts
        self.workers[name] = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=self.log(name))

    def get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.http, timeout=5)
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, json.loads(response.read())

    def post(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.http, timeout=5)
        connection.request("POST", path)
        return connection.getresponse().status

    def wait_ready(self, limit=120):
        end = time.monotonic() + limit
        while time.monotonic() < end:
            if self.server.poll() is not None:
                sys.exit(f"the server ended; see {self.folder}/server.log")
            try:
                if self.get("/ready")[0] == 200:
                    return
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(0.1)
        sys.exit(f"the server is not ready; see {self.folder}")

    def redundant(self):
        """Whether every group has as many holders as it should."""
        layers = self.get("/cluster")[1]["cluster"]["layers"]
        return all(len(h) >= self.options.replicas for layer in layers for h in layer["holders"])

    def wait_redundant(self, limit):
        end = time.monotonic() + limit
        while time.monotonic() < end:
            try:
                if self.redundant():
                    return True
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(0.05)
        return False

    def end(self):
        for process in [self.server, *self.workers.values(), *self.links.values()]:
            if process and process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
                process.wait()


# ---- Faults: each takes the cluster and a random generator, and leaves it to recover ----------------

def pick(cluster, generator):
    return generator.choice([n for n, p in cluster.workers.items() if p.poll() is None])

def kill(cluster, generator):
    name = pick(cluster, generator)
    cluster.workers[name].kill()
    cluster.workers[name].wait()
    time.sleep(generator.uniform(0, 1))
    cluster.start_worker(name)

def stop_briefly(cluster, generator):
    worker = cluster.workers[pick(cluster, generator)]
    worker.send_signal(signal.SIGSTOP)
    time.sleep(generator.uniform(0.05, 1))
    worker.send_signal(signal.SIGCONT)

def stop_long(cluster, generator):
    worker = cluster.workers[pick(cluster, generator)]
    worker.send_signal(signal.SIGSTOP)
    time.sleep(generator.uniform(3, 5))
    worker.send_signal(signal.SIGCONT)

def terminate(cluster, generator):
    name = pick(cluster, generator)
    cluster.workers[name].terminate()
    try:
        cluster.workers[name].wait(30)
    except subprocess.TimeoutExpired:
        cluster.workers[name].kill()
        cluster.workers[name].wait()
    cluster.start_worker(name)

def drain(cluster, generator):
    name = pick(cluster, generator)
    cluster.post(f"/cluster/drain/{name}")
    try:
        cluster.workers[name].wait(30)
    except subprocess.TimeoutExpired:
        cluster.workers[name].kill()
        cluster.workers[name].wait()
    cluster.start_worker(name)

def kill_two(cluster, generator):
    names = generator.sample(sorted(cluster.workers), 2)
    for name in names:
        cluster.workers[name].kill()
    for name in names:
        cluster.workers[name].wait()
        cluster.start_worker(name)

def newcomer(cluster, generator):
    name = f"worker-{90 + generator.randrange(2)}"
    cluster.start_worker(name)
    time.sleep(generator.uniform(0.2, 2))
    cluster.workers[name].kill()
    cluster.workers.pop(name).wait()

def garbage(cluster, generator):
    status, picture = cluster.get("/cluster")
    for _ in range(50):
        with socket.socket() as peer:
            peer.connect(("127.0.0.1", cluster.control))
            if generator.random() < 0.5:
                peer.send(b"\xff" + bytes(8) + b"\x7f\x03")
            peer.send(generator.randbytes(generator.randrange(1, 4000)))

def link_fault(*changes):
    """Changes of the link of one worker, each with the longest time until the next."""
    def fault(cluster, generator):
        name = pick(cluster, generator)
        for text, pause in changes:
            cluster.change(name, text)
            time.sleep(generator.uniform(pause / 3, pause))
    return fault

def restart_server(cluster, generator):
    cluster.server.kill()
    cluster.server.wait()
    cluster.start_server()
    cluster.wait_ready()

FAULTS = {
    "kill -9, restart": kill, "stop < 1 s": stop_briefly, "stop 3-5 s": stop_long,
    "SIGTERM, restart": terminate, "drain, restart": drain, "kill -9 of two": kill_two,
    "join and kill -9": newcomer, "garbage peers": garbage,
    "link cut": link_fault(("cut", 0)),
    "link down 1 s": link_fault(("down 1s", 1)),
    "link stall < 1 s": link_fault(("stall", 1), ("pass", 0)),
    "link stall 3-9 s": link_fault(("stall", 9), ("pass", 0)),
    "replies vanish": link_fault(("forward drop", 2), ("forward pass", 0)),
    "calls vanish": link_fault(("backward drop", 2), ("backward pass", 0)),
    "bits flip": link_fault(("flip 0.01%", 1), ("flip 0%", 0)),
    "link slow, 20 ms": link_fault(("delay 20ms", 3), ("delay 0ms", 0)),
}
# Breaks every stream, which clients then resume: not among the others unless it is asked for.
RESTARTS = {"server kill -9": restart_server}


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))] if values else 0.0

def expected_texts(options):
    texts = {}
    for prompt in PROMPTS:
        output = subprocess.run(
            [options.conclave, "generate", options.model, "--prompt", prompt, "--max-tokens",
             str(options.tokens), "--temperature", "0", "--ignore-end", "--json"], capture_output=True, check=True)
        texts[prompt] = json.loads(output.stdout)["text"]
    return texts

def resident(pid):
    for line in open(f"/proc/{pid}/status"):
        if line.startswith("VmRSS"):
            return int(line.split()[1]) // 1024
    return 0

def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--conclave", default=".build/release/conclave")
    parser.add_argument("--model", required=True)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--replicas", type=int, default=2)
    parser.add_argument("--memory", default="1GiB")
    parser.add_argument("--verify-fraction", type=float, default=0.01)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rate", type=float, default=3, help="requests a second")
    parser.add_argument("--tokens", type=int, default=600)
    parser.add_argument("--pause", type=float, default=2, help="mean seconds between two faults")
    parser.add_argument("--port", type=int, default=21500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", help="one kind of fault")
    parser.add_argument("--restarts", action="store_true", help="kill the server, too")
    options = parser.parse_args()
    options.conclave = os.path.abspath(options.conclave)
    expected = expected_texts(options)
    folder = tempfile.mkdtemp(prefix="conclave-chaos-")
    cluster = Cluster(options, folder)
    try:
        run(options, cluster, expected)
    finally:
        cluster.end()

def run(options, cluster, expected):
    generator = random.Random(options.seed)
    cluster.start_server()
    for index in range(options.workers):
        cluster.start_worker(f"worker-{index}")
    cluster.wait_ready()
    streams, windows, stop = [], [], threading.Event()

    def load():
        source = random.Random(options.seed + 1)
        while not stop.is_set():
            stream = Stream(cluster, source.choice(PROMPTS), options.tokens)
            stream.start()
            streams.append(stream)
            time.sleep(source.expovariate(options.rate))

    loader = threading.Thread(target=load, daemon=True)
    loader.start()
    time.sleep(5)
    calm = time.monotonic()
    memory = resident(cluster.server.pid)
    end = time.monotonic() + options.seconds
    if options.restarts:
        FAULTS.update(RESTARTS)
    kinds = [options.only] if options.only else sorted(FAULTS)
    slow_repairs = 0
    while time.monotonic() < end:
        kind = generator.choice(kinds)
        begin = time.monotonic()
        FAULTS[kind](cluster, generator)
        if not cluster.wait_redundant(30):
            slow_repairs += 1
        windows.append((kind, begin, time.monotonic()))
        if cluster.server.poll() is not None:
            print("the server has ended")
            break
        time.sleep(generator.expovariate(1 / options.pause))
    stop.set()
    loader.join()
    for stream in streams:
        stream.join(180)
    sys.exit(report(options, cluster, expected, streams, windows, calm, memory, slow_repairs))

def report(options, cluster, expected, streams, windows, calm, memory, slow_repairs):
    gaps = collections.defaultdict(list)
    quiet = []
    for stream in streams:
        moments = [stream.begin] + stream.times
        for before, after in zip(moments[1:], moments[2:]):
            kinds = [k for k, begin, end in windows if before < end and after > begin]
            if kinds:
                for kind in kinds:
                    gaps[kind].append((after - before, stream, before))
            elif after < calm or not windows:
                quiet.append(after - before)
    # The longest gap that any stream saw during a fault is the stall of that fault.
    stalls = collections.defaultdict(list)
    for kind, begin, end in windows:
        longest = [g for g, _, at in gaps[kind] if at < end and at + g > begin]
        stalls[kind].append(max(longest, default=0))
    wrong = [s for s in streams if s.accepted and not s.problem and s.text != expected[s.prompt]]
    prefix = [s for s in streams if s.problem and not expected[s.prompt].startswith(s.text)]
    lost = [s for s in streams if s.accepted and s.problem]
    refused = [s for s in streams if not s.accepted]
    print(f"{'fault':<20}{'times':>6}{'stall p50':>11}{'p99':>9}{'max':>9}  (ms, longest gap between "
          "two tokens of any stream)")
    for kind in sorted(stalls):
        values = [v * 1000 for v in stalls[kind]]
        print(f"{kind:<20}{len(values):>6}{percentile(values, 0.5):>11.0f}"
              f"{percentile(values, 0.99):>9.0f}{max(values):>9.0f}")
    calm_gaps = [g * 1000 for g in quiet]
    print(f"{'none (before)':<20}{'':>6}{percentile(calm_gaps, 0.5):>11.0f}"
          f"{percentile(calm_gaps, 0.99):>9.0f}{max(calm_gaps, default=0):>9.0f}")
    print(f"requests {len(streams)}, refused {len(refused)}, accepted and lost {len(lost)}, "
          f"wrong {len(wrong) + len(prefix)}; faults {len(windows)}, "
          f"not redundant again after 30 s {slow_repairs}")
    print(f"server's resident memory {memory} MiB before, {resident(cluster.server.pid)} MiB after"
          if cluster.server.poll() is None else "the server has ended")
    for stream in (lost + refused)[:5]:
        print(f"  {stream.problem}")
    print(f"logs: {cluster.folder}")
    return 1 if wrong or prefix or lost else 0


main()
