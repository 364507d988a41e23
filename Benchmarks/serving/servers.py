"""Servers as processes: start, wait until they answer, watch memory and processor time, end."""

import os
import pathlib
import signal
import subprocess
import time
import urllib.request

TICK = os.sysconf("SC_CLK_TCK")
# Threads that compute; what all others of the process take is the price of serving.
COMPUTING = ("engine", "team", "compute")


class Server:
    """A server that is up; one file, one number of threads, room for `users` at a time."""

    def __init__(self, name, command, port, log, timeout=300):
        self.name = name
        self.url = f"http://127.0.0.1:{port}"
        self.log = open(log, "w", encoding="utf-8")
        self.process = subprocess.Popen([str(part) for part in command], stdout=self.log,
                                        stderr=subprocess.STDOUT)
        limit = time.monotonic() + timeout
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > limit:
                self.stop()
                raise SystemExit(f"{name} did not start; see {log}")
            time.sleep(0.2)

    def answers(self):
        try:
            with urllib.request.urlopen(self.url + "/health", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def resident(self):
        """Resident memory in bytes."""
        pages = pathlib.Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def processor_seconds(self):
        """Processor seconds so far by name of thread."""
        seconds = {}
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            try:
                name, rest = (task / "stat").read_text().split("(", 1)[1].rsplit(")", 1)
            except OSError:
                continue  # a thread that has just ended
            fields = rest.split()
            seconds[name] = seconds.get(name, 0) + (int(fields[11]) + int(fields[12])) / TICK
        return seconds


def conclave(options, users, extra=()):
    return Server("Conclave", [
        options.conclave, "serve", options.model, "--http", f"127.0.0.1:{options.port}",
        "--threads", options.threads, "--max-requests", users, "--context", options.context,
        "--kv-memory", options.kv_memory, "--no-page", "--log-level", "warning", "--name", "measured", *extra,
    ], options.port, options.log + ".conclave")


def llama(options, users, extra=()):
    return Server("llama-server", [
        options.llama, "-m", options.model, "--host", "127.0.0.1", "--port", options.port,
        "-t", options.threads, "-np", users, "-c", users * options.context, "-ub", 512,
        "--no-webui", *extra,
    ], options.port, options.log + ".llama")
