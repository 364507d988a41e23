"""How each program is asked for its speed; every call starts a process and loads the model anew."""

import json
import os
import pathlib
import random
import re
import resource
import subprocess
import sys
import time


class Failed(Exception):
    """A program did not give a number; the table then has a gap and the log says why."""


def output(command, timeout, errors=subprocess.PIPE, prepare=None):
    try:
        done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=errors,
                              text=True, errors="replace", timeout=timeout, preexec_fn=prepare)
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{command[0]} took more than {timeout} s") from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()[-300:]
        raise Failed(f"{command[0]}: status {done.returncode}: {said}")
    return done.stdout


def deep_stack():
    """For ik_llama.cpp, whose regular expressions recurse over a prompt: one of 32,768 tokens crashes otherwise."""
    most = resource.getrlimit(resource.RLIMIT_STACK)[1]
    resource.setrlimit(resource.RLIMIT_STACK, (most, most))


class Program:
    def __init__(self, name, options):
        self.name = name
        self.threads = options.threads
        self.timeout = options.timeout

    def json(self, *command):
        text = output(command, self.timeout)
        try:
            return json.loads(text)
        except ValueError as error:
            raise Failed(f"{command[0]} did not print JSON: {text[-300:]}") from error


class Conclave(Program):
    def __init__(self, options, workers=0):
        super().__init__("Conclave", options)
        self.program = pathlib.Path(options.conclave)
        self.workers = ["--workers", workers] if workers else []

    def bench(self, model, *options, tokens=64):
        return self.json(self.program, "bench", model, "--json", "--repetitions", 1,
                         "--generate-tokens", tokens, "--threads", self.threads,
                         *self.workers, *options)

    def plain(self, model):
        """Prefill of 512 and decode from an empty context, as llama-bench measures them."""
        result = self.bench(model, "--prompt-tokens", 512, "--depth", 0)
        return {"prefill": result["prefillTokensPerSecond"]["median"],
                "decode": result["depths"][0]["decodeTokensPerSecond"]["median"],
                "load": result["load"]["bytes"] / 1e9 / result["load"]["seconds"],
                "loadSeconds": result["load"]["seconds"]}

    def decode(self, model, prompt=0):
        result = self.bench(model, "--prompt-tokens", prompt or 16, "--depth", 0)
        return {"decode": result["depths"][0]["decodeTokensPerSecond"]["median"]}

    def batch(self, model, counts, prompt, tokens):
        result = self.bench(model, "--prompt-tokens", 16, "--batch", ",".join(map(str, counts)),
                            "--batch-prompt-tokens", prompt, tokens=tokens)
        return {f"batch-{entry['sequences']}": entry["decodeTokensPerSecond"]["median"]
                for entry in result["batches"]}

    def depth(self, model, depth, tokens):
        result = self.bench(model, "--prompt-tokens", 16, "--depth", depth, tokens=tokens)
        return {f"depth-{depth}": result["depths"][0]["decodeTokensPerSecond"]["median"]}

    def help(self):
        times = []
        for _ in range(20):
            start = time.monotonic()
            output([self.program, "--help"], self.timeout)
            times.append(1000 * (time.monotonic() - start))
        return {"help": sorted(times)[len(times) // 2]}


class Llama(Program):
    """llama.cpp."""

    depth_option = "-d"

    def __init__(self, name, folder, options, extra=()):
        super().__init__(name, options)
        self.folder = folder
        self.extra = list(extra)

    def bench(self, model, *options):
        return self.json(self.folder / "llama-bench", "-m", model, "-o", "json", "-r", 1,
                         "-t", self.threads, *self.extra, *options)

    @staticmethod
    def speed(rows, kind):
        speeds = [row["avg_ts"] for row in rows if row[kind]]
        if not speeds:
            raise Failed(f"llama-bench has no row with {kind}")
        return speeds[-1]

    def plain(self, model):
        rows = self.bench(model, "-p", 512, "-n", 64)
        return {"prefill": self.speed(rows, "n_prompt"), "decode": self.speed(rows, "n_gen")}

    def decode(self, model, prompt=0):
        return {"decode": self.speed(self.bench(model, "-p", prompt, "-n", 64), "n_gen")}

    def depth(self, model, depth, tokens):
        rows = self.bench(model, "-p", 0, "-n", tokens, "-d", depth)
        return {f"depth-{depth}": self.speed(rows, "n_gen")}

    def batch(self, model, counts, prompt, tokens):
        room = max(counts) * (prompt + tokens)
        text = output([self.folder / "llama-batched-bench", "-m", model, "-c", room, "-b", 2048,
                       "-ub", 512, "-npp", prompt, "-ntg", tokens,
                       "-npl", ",".join(map(str, counts)), "-t", self.threads,
                       "--output-format", "jsonl"], self.timeout)
        lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
        return {f"batch-{line['pl']}": line["speed_tg"] for line in lines}


class IkLlama(Llama):
    """ik_llama.cpp, whose options for this family have to be given."""

    def __init__(self, folder, options, repack):
        name = "ik_llama.cpp -rtr 1" if repack else "ik_llama.cpp"
        super().__init__(name, folder, options,
                         ["-mla", 3, "-fa", 1, "-fmoe", 1, *(["-rtr", 1] if repack else [])])
        self.repack = repack
        self.states = pathlib.Path(options.cache) / "states"

    def depth(self, model, depth, tokens):
        """Decode after a context that is computed once and kept: of 32,768 tokens it takes half an hour."""
        state = self.states / f"{pathlib.Path(model).stem}-{depth}.state"
        if not state.exists():
            part = state.with_suffix(".part")
            part.unlink(missing_ok=True)
            self.cli(model, depth, 1, None, "--prompt-cache", part, "-b", 2048, "-ub", 2048)
            part.rename(state)
        text = self.cli(model, depth, tokens, self.timeout, "--prompt-cache", state, "--prompt-cache-ro")
        speed = re.search(r"main: +eval time = .*/ +(\d+) tokens .* ([\d.]+) tokens per second", text)
        if not speed or int(speed[1]) != tokens:
            raise Failed(f"llama-cli did not say how fast it decoded: {text[-300:]}")
        return {f"depth-{depth}": float(speed[2])}

    def cli(self, model, depth, tokens, timeout, *options):
        """What llama-cli prints; its prompt is the beginning and one digit for each further token."""
        self.states.mkdir(parents=True, exist_ok=True)
        prompt = self.states / f"{depth}.txt"
        generator = random.Random(1)
        prompt.write_text("".join(generator.choice("0123456789") for _ in range(depth - 1)))
        return output([self.folder / "llama-cli", "-m", model, "-f", prompt, "-n", tokens, "-t", self.threads,
                       "-c", depth + 256, "--temp", 0, "--ignore-eos", *self.extra[:2], "-fa", "on",
                       *(["-rtr"] if self.repack else []), *options], timeout, subprocess.STDOUT,
                      deep_stack)


class BusyCore:
    """An ordinary process that keeps one core busy, as long as it is held."""

    def __init__(self, core):
        self.core = core

    def __enter__(self):
        self.process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
        os.sched_setaffinity(self.process.pid, {self.core})
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
