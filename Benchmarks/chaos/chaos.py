#!/usr/bin/env python3
"""Real processes under faults: a server with workers, an open-loop stream of requests whose answers
are known, and a fault every few seconds. Prints what was injected, lost, wrong, and how long answers
stood still.

    Benchmarks/chaos/chaos.py --conclave .build/release/conclave --model MODEL --seconds 300
    Benchmarks/chaos/chaos.py --conclave .build/release/conclave --model MODEL --soak

Requests are greedy or have a seed, so that a text is a function of its request. The expected texts come
from a run without faults and without workers. Exit status 1 when an answer was wrong or an accepted
request was lost. A soak takes two hours, with a fault every 5-30 s and requests of many kinds; it also
says by how much the memory of the server and of two workers that are never killed grew, in
MiB an hour, and fails above one (`--seconds` makes it shorter). Workers that end are started again,
as by a service manager.
"""

import argparse, collections, http.client, json, os, random, signal, socket, struct
import subprocess, sys, tempfile, threading, time

import freeze
from manager import ServiceManager
from watch import Watch

PROMPTS = [
    "Once upon a time", "The answer to the question", "In the beginning there was", "A list of colours:",
    "What is 551 + 56?", "Tell me about a small house", "The cat and the dog", "One two three four",
]


SEED = 7
# Prompt, tokens, temperature: what is asked for at random, in a soak.
MIXED = [(p, t, h) for p in PROMPTS for t in (8, 60, 300) for h in (0, 0.8)]


class Stream(threading.Thread):
    """One streamed completion; notes when each part came."""

    def __init__(self, cluster, request, leaves_after=None):
        super().__init__(daemon=True)
        self.cluster, self.request, self.leaves_after = cluster, request, leaves_after
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
        prompt, tokens, temperature = self.request
        body = json.dumps({
            "prompt": prompt, "temperature": temperature, "seed": SEED, "max_tokens": tokens,
            "stream": True, "ignore_eos": True})
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
            # From here on the stream can be asked for again, also if it breaks before its first event.
            self.last_id = self.last_id or response.getheader("x-stream-id", "?") + ":0"
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
            if self.leaves_after and len(self.times) >= self.leaves_after:
                return  # as clients do that have seen enough
        self.problem = "connection: the stream ended early"


class Cluster:
    """A server and its workers, each of which may be replaced at any time."""

    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.control, self.data, self.http = options.port, options.port + 1, options.port + 2
        self.workers, self.links, self.server = {}, {}, None
        self.is_ending = False
        self.restarts = []  # seconds from the end of a server until the next one was ready
        self.environment = dict(os.environ)
        if options.clocks:
            library, source = (os.path.join(place, "clock." + end) for place, end in (
                (folder, "so"), (os.path.dirname(os.path.abspath(__file__)), "c")))
            subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", library, source, "-ldl"], check=True)
            self.environment |= {"LD_PRELOAD": library, "CLOCK_FILE": self.clock_file()}
            self.set_clock(0)
        self.manager = ServiceManager(os.path.join(folder, "notify")) if options.restarts else None
        self.model = os.path.abspath(options.model)

    def clock_file(self):
        return os.path.join(self.folder, "clock")

    def set_clock(self, offset):
        """Shifts the wall clock of every process by so many seconds."""
        with open(self.clock_file(), "r+b" if os.path.exists(self.clock_file()) else "wb") as file:
            file.write(struct.pack("d", offset))

    def log(self, name):
        return open(os.path.join(self.folder, name + ".log"), "ab")

    def start_server(self):
        self.server = subprocess.Popen(
            [self.options.conclave, "serve", self.model, "--http", f"127.0.0.1:{self.http}",
             "--listen", f"tcp://127.0.0.1:{self.control}", "--data-port", str(self.data),
             "--expect", str(self.options.workers), "--replicas", str(self.options.replicas),
             "--verify-fraction", str(self.options.verify_fraction), "--threads", "1",
             "--name", "chaos", "--journal", os.path.join(self.folder, "journal"),
             *(["--kv-memory", self.options.kv_memory] if self.options.kv_memory else [])],
            env=self.environment | (self.manager.environment if self.manager else {}),
            stdout=subprocess.DEVNULL, stderr=self.log("server"))
        if self.manager:
            self.manager.watch(self.server)

    def serve_again(self, since):
        """Starts a server after one that ended, or stood still, at `since`."""
        ended = time.monotonic()
        self.start_server()
        self.wait_ready()
        self.restarts.append((time.monotonic() - ended, time.monotonic() - since))

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
            name, "--threads", "1", "--memory", self.options.memory, "--drain-timeout", "20"]
        if int(name.split("-")[1]) % 2 == 0:
            command += ["--model", self.model]  # the others are sent their experts
        self.workers[name] = subprocess.Popen(
            command, env=self.environment, stdout=subprocess.DEVNULL, stderr=self.log(name))

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

    def is_mortal(self, name):
        """Whether faults may end this worker's process."""
        return int(name.split("-")[1]) >= self.options.survivors

    def restart_ended(self):
        """What a service manager does; returns how many had ended."""
        ended = [n for n, p in self.workers.items() if p.poll() is not None]
        for name in ended:
            self.start_worker(name)
        return len(ended)

    def end(self):
        self.is_ending = True
        for process in [self.server, *self.workers.values(), *self.links.values()]:
            if process and process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
                process.wait()


# ---- Faults: each takes the cluster and a random generator, and leaves it to recover ----------------

def pick(cluster, generator, ends=False):
    """A worker that runs; where its process `ends`, one for which that is allowed."""
    return generator.choice([n for n, p in cluster.workers.items()
                             if p.poll() is None and (not ends or cluster.is_mortal(n))])

def kill(cluster, generator):
    name = pick(cluster, generator, ends=True)
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
    name = pick(cluster, generator, ends=True)
    cluster.workers[name].terminate()
    try:
        cluster.workers[name].wait(30)
    except subprocess.TimeoutExpired:
        cluster.workers[name].kill()
        cluster.workers[name].wait()
    cluster.start_worker(name)

def drain(cluster, generator):
    name = pick(cluster, generator, ends=True)
    cluster.post(f"/cluster/drain/{name}")
    try:
        cluster.workers[name].wait(30)
    except subprocess.TimeoutExpired:
        cluster.workers[name].kill()
        cluster.workers[name].wait()
    cluster.start_worker(name)

def kill_two(cluster, generator):
    names = generator.sample(sorted(n for n in cluster.workers if cluster.is_mortal(n)), 2)
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

def throttle(cluster, generator):
    """A tenth of a processor for one worker: by the kernel, or by stopping it nine tenths of the time."""
    pid = cluster.workers[pick(cluster, generator)].pid
    seconds = generator.uniform(1, 5)
    group = f"/sys/fs/cgroup/cpu/conclave-{pid}"
    try:
        os.mkdir(group)
        for name, value in (("cpu.cfs_period_us", 20000), ("cpu.cfs_quota_us", 2000), ("cgroup.procs", pid)):
            with open(f"{group}/{name}", "w") as file:
                file.write(str(value))
        time.sleep(seconds)
        with open("/sys/fs/cgroup/cpu/cgroup.procs", "w") as file:
            file.write(str(pid))
        os.rmdir(group)
    except OSError:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            os.kill(pid, signal.SIGSTOP)
            time.sleep(0.045)
            os.kill(pid, signal.SIGCONT)
            time.sleep(0.005)

def clock_jump(cluster, generator):
    """Wall clocks of all processes jump by up to a day, forward or back, and then come back."""
    for offset in (generator.uniform(-86400, 86400), generator.uniform(-3600, 3600), 0):
        cluster.set_clock(offset)
        time.sleep(generator.uniform(0.2, 1.5))

def restart_server(cluster, generator):
    cluster.server.kill()
    cluster.server.wait()
    cluster.serve_again(time.monotonic())

def freeze_engine(cluster, generator):
    """The engine's thread stands still; the service manager's watchdog ends the server."""
    begin = time.monotonic()
    tracer = freeze.stop_thread(cluster.server.pid, "engine")
    cluster.server.wait(60)
    tracer.wait()
    cluster.serve_again(begin)

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
    "a tenth of the processor": throttle,
    "link slow, 20 ms": link_fault(("delay 20ms", 3), ("delay 0ms", 0)),
}
# Break every stream, which clients then resume: not among the others unless it is asked for.
RESTARTS = {"server kill -9": restart_server, "engine stuck": freeze_engine}
# Needs a C compiler.
CLOCKS = {"clocks jump": clock_jump}


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))] if values else 0.0

def expected_texts(options, requests):
    texts = {}
    for prompt, tokens, temperature in requests:
        output = subprocess.run(
            [options.conclave, "generate", options.model, "--prompt", prompt, "--max-tokens",
             str(tokens), "--temperature", str(temperature), "--seed", str(SEED), "--ignore-end",
             "--json"], capture_output=True, check=True)
        texts[prompt, tokens, temperature] = json.loads(output.stdout)["text"]
    return texts

def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--conclave", default=".build/release/conclave")
    parser.add_argument("--model", required=True)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--replicas", type=int, default=2)
    parser.add_argument("--memory", default="1GiB")
    parser.add_argument("--verify-fraction", type=float, default=0.01)
    parser.add_argument("--seconds", type=float, help="60, or 7200 for a soak")
    parser.add_argument("--rate", type=float, help="requests a second: 3, or 0.4 for a soak")
    parser.add_argument("--kv-memory", help="2MiB for a soak, so that all of it is soon used")
    parser.add_argument("--tokens", type=int, default=600)
    parser.add_argument("--pause", type=float, default=2, help="mean seconds between two faults")
    parser.add_argument("--port", type=int, default=21500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", help="one kind of fault")
    parser.add_argument("--restarts", action="store_true", help="end the server, too")
    parser.add_argument("--clocks", action="store_true", help="let wall clocks jump, too")
    parser.add_argument("--soak", action="store_true", help="a fault every 5-30 s, mixed requests")
    options = parser.parse_args()
    options.conclave = os.path.abspath(options.conclave)
    options.seconds = options.seconds or (7200 if options.soak else 60)
    options.rate = options.rate or (0.4 if options.soak else 3)
    options.kv_memory = options.kv_memory or ("2MiB" if options.soak else None)
    options.survivors = 2 if options.soak else 0
    requests = MIXED if options.soak else [(p, options.tokens, 0) for p in PROMPTS]
    expected = expected_texts(options, requests)
    folder = tempfile.mkdtemp(prefix="conclave-chaos-")
    cluster = Cluster(options, folder)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # `finally` ends the cluster
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
        requests = sorted(expected)
        while not stop.is_set():
            request = source.choice(requests)
            leaves = options.soak and request[1] > 100 and source.random() < 0.2
            stream = Stream(cluster, request, source.randrange(1, 100) if leaves else None)
            stream.start()
            streams.append(stream)
            time.sleep(source.expovariate(options.rate))

    loader = threading.Thread(target=load, daemon=True)
    loader.start()
    time.sleep(5)
    calm = time.monotonic()
    end = time.monotonic() + options.seconds
    watch = Watch(cluster, warm_up=options.seconds / 8, every=10 if options.soak else 2)
    watch.start()
    if options.restarts:
        FAULTS.update(RESTARTS)
    if options.clocks:
        FAULTS.update(CLOCKS)
    kinds = [options.only] if options.only else sorted(FAULTS)
    slow_repairs = 0
    while time.monotonic() < end:
        kind = generator.choice(kinds)
        begin = time.monotonic()
        FAULTS[kind](cluster, generator)
        watch.restarts += cluster.restart_ended()
        if not cluster.wait_redundant(30):
            slow_repairs += 1
        watch.restarts += cluster.restart_ended()
        windows.append((kind, begin, time.monotonic()))
        if cluster.server.poll() is not None:
            print("the server has ended")
            break
        if options.soak:
            watch.tell(f"{len(windows)} faults, {len(streams)} requests, "
                       f"{len(find_wrong(streams, expected))} wrong")
        time.sleep(generator.uniform(5, 30) if options.soak
                   else generator.expovariate(1 / options.pause))
    stop.set()
    watch.stop()
    loader.join()
    for stream in streams:
        stream.join(180)
    failed = report(options, cluster, expected, streams, windows, calm, slow_repairs)
    grew = watch.report()
    sys.exit(1 if failed or grew and options.soak else 0)

def find_wrong(streams, expected):
    """Those whose text, as far as it came, is not the expected one."""
    return [s for s in streams if not (
        expected[s.request].startswith(s.text) if s.problem or s.leaves_after or s.is_alive()
        else not s.accepted or s.text == expected[s.request])]

def report(options, cluster, expected, streams, windows, calm, slow_repairs):
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
    wrong = find_wrong(streams, expected)
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
          f"wrong {len(wrong)}; faults {len(windows)}, "
          f"not redundant again after 30 s {slow_repairs}")
    if cluster.restarts:
        print("server ready again after its end, seconds: " +
              ", ".join(f"{s:.2f}" for s, _ in cluster.restarts) + "; since the fault: " +
              ", ".join(f"{s:.2f}" for _, s in cluster.restarts))
    for stream in (lost + refused)[:5]:
        print(f"  {stream.problem}")
    print(f"logs: {cluster.folder}")
    return bool(wrong or lost)


main()
