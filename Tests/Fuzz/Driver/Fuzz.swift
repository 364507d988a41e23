import FuzzTargets
import Glibc

/// The target of this process: the `FuzzTarget` that CONCLAVE_FUZZ_TARGET names.
private let target: FuzzTarget = {
  guard let name = unsafe getenv("CONCLAVE_FUZZ_TARGET"),
    let target = unsafe FuzzTarget(rawValue: String(cString: name))
  else {
    print(FuzzTarget.allCases.map(\.rawValue).joined(separator: "\n"))
    exit(64)
  }
  return target
}()

/// What libFuzzer, which has the `main`, calls with each input.
@_cdecl("LLVMFuzzerTestOneInput")
public func run(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
  unsafe target.run(Array(UnsafeBufferPointer(start: data, count: size)))
  return 0
}
