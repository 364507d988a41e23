"""What systemd does with WatchdogSec: ends a service that gives no sign of life."""

import os, signal, socket, threading, time


class ServiceManager:
    """Listens to one service after another."""

    LIMIT = 3.0  # seconds; short, so that a run sees it often

    def __init__(self, path):
        self.path, self.process, self.last = path, None, 0.0
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.environment = {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": str(int(self.LIMIT * 1e6))}
        self.ended = 0
        threading.Thread(target=self.listen, daemon=True).start()
        threading.Thread(target=self.look, daemon=True).start()

    def watch(self, process):
        """From its READY=1 on."""
        self.process, self.last = process, None

    def listen(self):
        while True:
            text = self.socket.recv(4096)
            if b"READY=1" in text or b"WATCHDOG=1" in text and self.last:
                self.last = time.monotonic()

    def look(self):
        while True:
            time.sleep(0.1)
            process, last = self.process, self.last
            if process and last and time.monotonic() - last > self.LIMIT and process.poll() is None:
                self.last = None
                self.ended += 1
                process.send_signal(signal.SIGKILL)
