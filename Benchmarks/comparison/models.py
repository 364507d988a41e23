"""The files that are compared: shapes of public models with random weights."""

import pathlib
import subprocess
import sys

# Peers tell V2-Lite by its 27 layers, so it keeps them. What reads every weight once has eight
# experts, of which a token still uses six; prefill and batches need all, because with few experts
# each would see more rows at a time.
GEOMETRIES = {
    "lite": ["deepseek-v2-lite", "--layers", "27"],
    "lite-e8": ["deepseek-v2-lite", "--layers", "27", "--experts", "8"],
    "v2": ["deepseek-v2", "--layers", "4"],
    "v2-e16": ["deepseek-v2", "--layers", "4", "--experts", "16"],
}


def path(folder, geometry, quantization):
    return pathlib.Path(folder) / f"{geometry}-{quantization}.gguf"


def ensure(options, geometry, quantization):
    """The file, made if it is missing."""
    file = path(options.models, geometry, quantization)
    if file.exists():
        return file
    file.parent.mkdir(parents=True, exist_ok=True)
    name, *rest = GEOMETRIES[geometry]
    part = file.with_suffix(".part")
    command = [options.conclave, "synthesize", name, str(part), "--quantization", quantization,
               "--force", *rest]
    print(f"making {file}", file=sys.stderr)
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed: {done.stderr.strip()[-500:]}")
    part.rename(file)
    return file


def warm(file):
    """Brings a file into the page cache."""
    with open(file, "rb", buffering=0) as stream:
        while stream.read(16 << 20):
            pass
