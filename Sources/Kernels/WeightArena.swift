internal import CKernels
internal import Glibc
internal import Synchronization

/// Memory for packed weights: zeroed, 64-byte aligned slices of large anonymous mappings.
///
/// Small slices share mappings of 64 MB, large ones get their own. Pages count towards resident
/// memory only once they are written; on a machine with several memory nodes they are spread over
/// all of them. Everything is unmapped when the arena goes.
public final class WeightArena: Sendable {
  private struct State: ~Copyable {
    var mappings: [(address: UInt, byteCount: Int)] = []
    var next: UInt = 0  // in the current shared mapping
    var left = 0
    var handedOut = 0
  }

  private static let mappingByteCount = 64 << 20
  private static let alignment = 64
  private static let hugePage = 2 << 20

  private let state = Mutex(State())

  /// Makes an empty arena.
  public init() {}

  deinit {
    state.withLock { state in
      for mapping in state.mappings {
        unsafe munmap(UnsafeMutableRawPointer(bitPattern: mapping.address), mapping.byteCount)
      }
    }
  }

  /// Bytes handed out so far.
  public var byteCount: Int { state.withLock { $0.handedOut } }

  /// A zeroed slice that lives as long as the arena.
  @unsafe
  func allocate(byteCount: Int) throws(KernelError) -> UnsafeMutableRawPointer {
    let size = (max(byteCount, 1) + Self.alignment - 1) / Self.alignment * Self.alignment
    let address = try state.withLock { state throws(KernelError) in
      let address = try Self.slice(of: size, from: &state)
      state.handedOut += size
      return address
    }
    guard let pointer = unsafe UnsafeMutableRawPointer(bitPattern: address) else {
      throw .outOfMemory(byteCount: byteCount)
    }
    return unsafe pointer
  }

  private static func slice(of size: Int, from state: inout State) throws(KernelError) -> UInt {
    if size > mappingByteCount / 4 {
      let rounded = (size + hugePage - 1) / hugePage * hugePage
      return try map(rounded, into: &state)
    }
    if size > state.left {
      state.next = try map(mappingByteCount, into: &state)
      state.left = mappingByteCount
    }
    defer {
      state.next += UInt(size)
      state.left -= size
    }
    return state.next
  }

  private static func map(_ byteCount: Int, into state: inout State) throws(KernelError) -> UInt {
    let address = unsafe mmap(
      nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    guard let address = unsafe address, unsafe address != MAP_FAILED else {
      throw .outOfMemory(byteCount: byteCount)
    }
    unsafe ck_advise_huge_pages(address, byteCount)
    unsafe ck_spread_over_nodes(address, byteCount)
    let base = UInt(bitPattern: address)
    state.mappings.append((base, byteCount))
    return base
  }
}
