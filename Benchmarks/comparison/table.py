"""The table of targets, from the samples of all runs so far."""

import statistics


class Samples:
    def __init__(self, lines):
        self.values = {}
        for line in lines:
            for metric, value in line["values"].items():
                if isinstance(value, (int, float)):
                    key = (line["case"], line["program"], metric)
                    self.values.setdefault(key, []).append(value)

    def of(self, case, program, metric):
        return self.values.get((case, program, metric), [])

    def median(self, case, program, metric):
        values = self.of(case, program, metric)
        return statistics.median(values) if values else None

    def best(self, case, programs, metric):
        """The program with the highest median."""
        medians = [(self.median(case, program, metric), program) for program in programs]
        medians = [entry for entry in medians if entry[0] is not None]
        return max(medians)[1] if medians else None


def cell(values):
    if not values:
        return "not measured"
    middle = statistics.median(values)
    return f"{number(middle)} ({number(min(values))}-{number(max(values))})"


def number(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def against(samples, title, case, metric, peers, target):
    """A row that compares Conclave with the better of some peers."""
    best = samples.best(case, peers, metric)
    ours = samples.of(case, "Conclave", metric)
    if best is None or not ours:
        return [title, cell(ours), "not measured", "", "", f"≥ {target:.2f}", ""]
    theirs = samples.of(case, best, metric)
    ratio = statistics.median(ours) / statistics.median(theirs)
    return [title, cell(ours), cell(theirs), best, f"{ratio:.2f}", f"≥ {target:.2f}",
            str(min(len(ours), len(theirs)))]


def rows(samples):
    llama, ik = ("llama.cpp",), ("ik_llama.cpp", "ik_llama.cpp -rtr 1")
    for name, title in (("lite", "V2-Lite"), ("v2", "V2-236B")):
        plain = f"{name}:plain:q4_k_m"
        yield against(samples, f"{title}, decode, Q4_K_M", plain, "decode", llama + ik, 1.2)
        for quantization in ("q8_0", "q6_k", "q5_k_m", "iq4_xs", "bf16"):
            if (name, quantization) != ("v2", "bf16"):
                yield against(samples, f"{title}, decode, {quantization.upper()}",
                              f"{name}:decode:{quantization}", "decode", llama + ik, 1.0)
        yield against(samples, f"{title}, prefill 512", plain, "prefill", ik, 1.1)
        yield against(samples, f"{title}, prefill 512", plain, "prefill", llama, 3.0)
        for count in (4, 16, 64):
            yield against(samples, f"{title}, {count} sequences", f"{name}:batch:q4_k_m",
                          f"batch-{count}", llama, 1.2)
        for depth in (8192, 32768):
            yield against(samples, f"{title}, decode after {depth}", f"{name}:depth-{depth}:q4_k_m",
                          f"depth-{depth}", ik, 1.0)


def share(samples, title, part, whole, target):
    """A row that says how much of one speed is left of another."""
    if not part or not whole:
        return [title, cell(part), cell(whole), "", target, ""]
    ratio = statistics.median(part) / statistics.median(whole)
    return [title, cell(part), cell(whole), f"{100 * ratio:.0f} %", target,
            str(min(len(part), len(whole)))]


def shares(samples):
    for name, title in (("lite", "V2-Lite"), ("v2", "V2-236B")):
        for program in ("Conclave", "llama.cpp", "ik_llama.cpp", "ik_llama.cpp -rtr 1"):
            yield share(samples, f"{title}, one core busy: {program}",
                        samples.of(f"{name}:disturbed:q4_k_m", program, "decode"),
                        samples.of(f"{name}:quiet:q4_k_m", program, "decode"),
                        "≥ 60 %" if program == "Conclave" else "")
        workers = f"{name}:workers:q4_k_m"
        yield share(samples, f"{title}, coordinator and two workers",
                    samples.of(workers, "Conclave", "workers"),
                    samples.of(workers, "Conclave", "alone"), "≥ 85 %")


def alone(samples):
    for name, title in (("lite", "V2-Lite"), ("v2", "V2-236B")):
        values = samples.of(f"{name}:plain:q4_k_m", "Conclave", "load")
        yield [f"{title}, load from warm page cache, GB/s", cell(values), "≥ 3", str(len(values))]
    values = samples.of("command:help", "Conclave", "help")
    yield ["`conclave --help`, ms", cell(values), "< 30", str(len(values))]


def markdown(header, lines):
    text = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(text + ["| " + " | ".join(line) + " |" for line in lines])


def render(lines):
    samples = Samples(lines)
    return "\n\n".join([
        markdown(["tokens/s, median (range)", "Conclave", "best peer", "which", "ratio", "target",
                  "runs"], rows(samples)),
        markdown(["tokens/s, median (range)", "so", "quiet, alone", "kept", "target", "runs"],
                 shares(samples)),
        markdown(["", "Conclave", "target", "runs"], alone(samples)),
    ])
