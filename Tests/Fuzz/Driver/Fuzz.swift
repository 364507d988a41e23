import CFuzzer
import FuzzTargets
import Glibc

/// One target of `FuzzTarget` under libFuzzer: `Fuzz TARGET [LIBFUZZER_OPTION_OR_FOLDER...]`.
@main
struct Fuzz {
  /// The target of this process; set once before the engine starts.
  nonisolated(unsafe) static var target = FuzzTarget.json

  static func main() {
    guard CommandLine.arguments.count > 1,
      let target = FuzzTarget(rawValue: CommandLine.arguments[1])
    else {
      print(FuzzTarget.allCases.map(\.rawValue).joined(separator: "\n"))
      exit(64)
    }
    unsafe Fuzz.target = target
    var count = CommandLine.argc - 1
    var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? =
      unsafe CommandLine.unsafeArgv + 1
    let status = unsafe LLVMFuzzerRunDriver(&count, &arguments) { data, size in
      unsafe Fuzz.target.run(Array(UnsafeBufferPointer(start: data, count: size)))
      return 0
    }
    exit(status)
  }
}
