internal import CKernels

/// Gives whole pages that were freed back to the system, from the arenas of all threads.
///
/// Takes some 0.1 ms for each MiB that lies free in pieces (Emerald Rapids); allocations in an arena
/// wait meanwhile. Does nothing with an allocator other than glibc's.
public func returnFreedMemory() { ck_return_freed_memory() }
