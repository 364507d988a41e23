"""Memory, descriptors and processor time of a cluster's processes, while they run.

Memory is what a process keeps for itself (RssAnon, and what of it was swapped out). Pages of files, the
program's own among them, are the kernel's to drop and to bring back: on a host that reclaims memory they
come and go by tens of MiB, and are shown beside it.
"""

import os, threading, time


def read_status(pid):
    """MiB of its own and of files, descriptors and seconds of processor time; None when it is gone."""
    try:
        with open(f"/proc/{pid}/status") as status:
            sizes = {name: int(rest.split()[0]) / 1024 for name, _, rest in
                     (line.partition(":") for line in status) if name in ("RssAnon", "RssFile", "VmSwap")}
        with open(f"/proc/{pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        if "RssAnon" not in sizes:
            return None
        ticks = int(fields[11]) + int(fields[12])
        return (sizes["RssAnon"] + sizes.get("VmSwap", 0), sizes.get("RssFile", 0),
                len(os.listdir(f"/proc/{pid}/fd")), ticks / os.sysconf("SC_CLK_TCK"))
    except (OSError, IndexError):
        return None


def slope(points):
    """Units of y per unit of x, by least squares."""
    count = len(points)
    mean_x = sum(x for x, _ in points) / count
    mean_y = sum(y for _, y in points) / count
    below = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / below if below else 0.0


class Watch(threading.Thread):
    """Looks at the server and every worker now and then."""

    LIMIT = 1.0  # MiB an hour

    def __init__(self, cluster, warm_up, every):
        super().__init__(daemon=True)
        self.cluster, self.warm_up, self.every = cluster, warm_up, every
        self.begin, self.restarts, self.told = time.monotonic(), 0, time.monotonic()
        self.samples = {}  # (name, pid) -> [(seconds, MiB, MiB of files, descriptors, processor seconds)]
        self.ended = threading.Event()

    def run(self):
        while not self.ended.wait(self.every):
            self.look()

    def look(self):
        processes = {"server": self.cluster.server, **self.cluster.workers}
        for name, process in list(processes.items()):
            status = process and read_status(process.pid)
            if status:
                self.samples.setdefault((name, process.pid), []).append(
                    (time.monotonic() - self.begin, *status))

    def stop(self):
        self.look()
        self.ended.set()

    def tell(self, text):
        """Prints a line every ten minutes."""
        if time.monotonic() - self.told < 600:
            return
        self.told = time.monotonic()
        server = self.samples.get(("server", self.cluster.server.pid), [])
        memory = f", server {server[-1][1]:.1f} MiB, {server[-1][3]} descriptors" if server else ""
        print(f"  {(self.told - self.begin) / 60:.0f} min: {text}{memory}", flush=True)

    def report(self):
        """Prints what each process that lived through all of it did; whether one grew too fast."""
        length = time.monotonic() - self.begin
        grew = False
        print(f"{'process':<12}{'MiB first':>10}{'last':>8}{'MiB/h':>8}{'files':>12}{'descriptors':>14}"
              f"{'processor':>11}  (after {self.warm_up / 60:.1f} min, for "
              f"{(length - self.warm_up) / 60:.1f} min; a line through all samples)")
        for (name, _), samples in sorted(self.samples.items()):
            used = [s for s in samples if s[0] >= self.warm_up]
            if len(used) < 3 or used[-1][0] - used[0][0] < (length - self.warm_up) * 0.9:
                continue
            growth = slope([(seconds / 3600, memory) for seconds, memory, *_ in used])
            grew = grew or growth > self.LIMIT
            files, descriptors = [s[2] for s in used], [s[3] for s in used]
            share = (used[-1][4] - used[0][4]) / (used[-1][0] - used[0][0])
            print(f"{name:<12}{used[0][1]:>10.1f}{used[-1][1]:>8.1f}{growth:>8.2f}"
                  f"{f'{min(files):.0f}-{max(files):.0f}':>12}"
                  f"{f'{descriptors[0]}, {min(descriptors)}-{max(descriptors)}':>14}{share:>10.1%}")
        print(f"workers that had ended by themselves {self.restarts}")
        return grew
