"""Resident memory, descriptors and processor time of a cluster's processes, while they run."""

import os, threading, time


def read_status(pid):
    """Resident MiB, descriptors and seconds of processor time; None when the process is gone."""
    try:
        with open(f"/proc/{pid}/status") as status:
            line = next((l for l in status if l.startswith("VmRSS")), None)
        with open(f"/proc/{pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        if line is None:
            return None
        ticks = int(fields[11]) + int(fields[12])
        return (int(line.split()[1]) / 1024, len(os.listdir(f"/proc/{pid}/fd")),
                ticks / os.sysconf("SC_CLK_TCK"))
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
        self.samples = {}  # (name, pid) -> [(seconds, MiB, descriptors, processor seconds)]
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
        memory = f", server {server[-1][1]:.1f} MiB, {server[-1][2]} descriptors" if server else ""
        print(f"  {(self.told - self.begin) / 60:.0f} min: {text}{memory}", flush=True)

    def report(self):
        """Prints what each process that lived through all of it did; whether one grew too fast."""
        length = time.monotonic() - self.begin
        grew = False
        print(f"{'process':<12}{'MiB first':>10}{'last':>8}{'MiB/h':>8}{'descriptors':>14}"
              f"{'processor':>11}  (after {self.warm_up / 60:.1f} min, for "
              f"{(length - self.warm_up) / 60:.1f} min; a line through all samples)")
        for (name, _), samples in sorted(self.samples.items()):
            used = [s for s in samples if s[0] >= self.warm_up]
            if len(used) < 3 or used[-1][0] - used[0][0] < (length - self.warm_up) * 0.9:
                continue
            growth = slope([(seconds / 3600, memory) for seconds, memory, _, _ in used])
            grew = grew or growth > self.LIMIT
            descriptors = [s[2] for s in used]
            share = (used[-1][3] - used[0][3]) / (used[-1][0] - used[0][0])
            print(f"{name:<12}{used[0][1]:>10.1f}{used[-1][1]:>8.1f}{growth:>8.2f}"
                  f"{f'{descriptors[0]}, {min(descriptors)}-{max(descriptors)}':>14}{share:>10.1%}")
        print(f"workers that had ended by themselves {self.restarts}")
        return grew
