"""What is compared, and the targets."""

from . import models
from .programs import BusyCore, Conclave, Failed

PEERS = ("llama.cpp", "ik_llama.cpp", "ik_llama.cpp -rtr 1")
IK = PEERS[1:]
QUANTIZATIONS = ("q4_k_m", "q8_0", "q6_k", "q5_k_m", "iq4_xs", "bf16")


class Case:
    """One call of every program on one file, which gives one or several numbers."""

    def __init__(self, name, geometry, quantization, ask, programs=("Conclave", *PEERS)):
        self.name = name
        self.geometry = geometry
        self.quantization = quantization
        self.ask = ask
        self.programs = programs

    def run(self, program, options):
        file = models.ensure(options, self.geometry, self.quantization)
        return self.ask(program, file, options)


def disturbed(program, file, options):
    """Decode while another process keeps the last allowed core busy."""
    with BusyCore(options.cores[-1]):
        return program.decode(file)


def with_workers(program, file, options):
    """One process, then a coordinator with two workers on the same cores."""
    alone = program.decode(file)["decode"]
    return {"alone": alone, "workers": Conclave(options, workers=2).decode(file)["decode"]}


def plain(program, file, options):
    models.warm(file)
    return program.plain(file)


def cases():
    found = []
    for full, small in (("lite", "lite-e8"), ("v2", "v2-e16")):
        found.append(Case(f"{full}:plain:q4_k_m", full, "q4_k_m", plain))
        for quantization in QUANTIZATIONS[1:]:
            if full == "v2" and quantization == "bf16":
                continue  # 8 GB of it would be two layers
            # So much fresh memory is slow on virtual machines for as long as loading took: a prompt first.
            prompt = 512 if quantization == "bf16" else 0
            found.append(Case(f"{full}:decode:{quantization}", small, quantization,
                              lambda program, file, options, prompt=prompt: program.decode(file, prompt)))
        found.append(Case(f"{full}:batch:q4_k_m", full, "q4_k_m",
                          lambda program, file, options: program.batch(file, (4, 16, 64), 32, 32),
                          ("Conclave", "llama.cpp")))
        for depth in (8192, 32768):
            found.append(Case(
                f"{full}:depth-{depth}:q4_k_m", small, "q4_k_m",
                lambda program, file, options, depth=depth: program.depth(file, depth, 32),
                ("Conclave", *IK)))
        found.append(Case(f"{full}:disturbed:q4_k_m", small, "q4_k_m", disturbed))
        found.append(Case(f"{full}:quiet:q4_k_m", small, "q4_k_m",
                          lambda program, file, options: program.decode(file)))
        found.append(Case(f"{full}:workers:q4_k_m", small, "q4_k_m", with_workers, ("Conclave",)))
    found.append(Case("command:help", None, None, None, ("Conclave",)))
    return found


def measure(case, program, options):
    """The numbers of one run, or the reason why there are none."""
    try:
        return program.help() if case.ask is None else case.run(program, options)
    except Failed as error:
        return {"failed": str(error)}
