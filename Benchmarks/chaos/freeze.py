"""Stops one thread of another process, as a debugger does, until this program is ended.

    freeze.py PID THREAD-NAME
"""

import ctypes, os, signal, subprocess, sys, time

PTRACE_SEIZE, PTRACE_INTERRUPT = 0x4206, 0x4207


def stop_thread(pid, name):
    """Stops it from a process of its own, which ends with the other one."""
    stopper = subprocess.Popen([sys.executable, __file__, str(pid), name], stdout=subprocess.PIPE)
    if stopper.stdout.readline() != b"stopped\n":
        raise OSError(f"the thread {name} of process {pid} cannot be stopped")
    return stopper


def main():
    pid, name = int(sys.argv[1]), sys.argv[2]
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/comm") as comm:
            if comm.read().strip() == name:
                break
    else:
        sys.exit(f"process {pid} has no thread {name}")
    ptrace = ctypes.CDLL(None, use_errno=True).ptrace
    ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    for request in (PTRACE_SEIZE, PTRACE_INTERRUPT):
        if ptrace(request, int(thread), None, None) < 0:
            sys.exit(os.strerror(ctypes.get_errno()))
    print("stopped", flush=True)
    while True:
        try:
            _, status = os.waitpid(int(thread), 0x40000000)  # __WALL
        except ChildProcessError:
            return
        if os.WIFEXITED(status) or os.WIFSIGNALED(status):
            return


if __name__ == "__main__":
    main()
