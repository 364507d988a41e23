internal import CKernels

/// Gives whole pages that were freed back to the system, from the arenas of all threads.
///
/// Takes some 0.1 ms for each MiB that lies free in pieces (Emerald Rapids); allocations in an arena
/// wait meanwhile. Does nothing with an allocator other than glibc's.
public func returnFreedMemory() { ck_return_freed_memory() }

/// Lets threads that start from now on allocate from two arenas together, where each would have one of
/// its own that keeps what the thread once needed; small blocks come from each thread's cache anyway.
///
/// Does nothing with an allocator other than glibc's.
public func shareArenas() { ck_share_arenas() }
