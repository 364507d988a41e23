"""Finds the programs of the peers, or builds them from source folders that the user names."""

import hashlib
import os
import pathlib
import subprocess
import sys

OPTIONS = ["-DCMAKE_BUILD_TYPE=Release", "-DGGML_NATIVE=ON", "-DLLAMA_CURL=OFF",
           "-DLLAMA_BUILD_TESTS=OFF", "-DLLAMA_BUILD_SERVER=OFF"]


def find(name, path, cache, programs):
    """The folder with a peer's programs: in `path`, in its build folder, or built from it."""
    if path is None:
        return None
    path = pathlib.Path(path).expanduser().resolve()
    for folder in (path, path / "bin", path / "build/bin"):
        if all((folder / program).exists() for program in programs):
            return folder
    if not (path / "CMakeLists.txt").exists():
        sys.exit(f"{path} has neither {programs[0]} nor CMakeLists.txt; give the folder of {name}'s "
                 "programs, or of its sources")
    return build(name, path, pathlib.Path(cache).expanduser(), programs)


def build(name, source, cache, programs):
    key = hashlib.sha256(str(source).encode()).hexdigest()[:12]
    folder = cache / f"{name}-{key}"
    if not all((folder / "bin" / program).exists() for program in programs):
        print(f"building {name} from {source} in {folder}", file=sys.stderr)
        jobs = str(len(os.sched_getaffinity(0)))
        for command in (["cmake", "-S", str(source), "-B", str(folder), *OPTIONS],
                        ["cmake", "--build", str(folder), "-j", jobs, "--target", *programs]):
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            if done.returncode != 0:
                sys.exit(f"{' '.join(command)} failed: {done.stdout.strip()[-2000:]}")
    return folder / "bin"
