// swift-tools-version: 6.2
import PackageDescription

let swift: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableExperimentalFeature("Lifetimes"),
  .strictMemorySafety(),
  .treatAllWarnings(as: .error),
]

func target(
  _ name: String, _ dependencies: [Target.Dependency] = [], exclude: [String] = [],
  resources: [Resource] = []
) -> Target {
  .target(
    name: name, dependencies: dependencies, exclude: exclude, resources: resources,
    swiftSettings: swift)
}

func tests(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
  .testTarget(
    name: name + "Tests", dependencies: [.init(stringLiteral: name), "TestSupport"] + dependencies,
    swiftSettings: swift)
}

let log = Target.Dependency.product(name: "Logging", package: "swift-log")
let lifecycle = Target.Dependency.product(
  name: "ServiceLifecycle", package: "swift-service-lifecycle")
let hummingbird = Target.Dependency.product(name: "Hummingbird", package: "hummingbird")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")

/// What the two ends of the wire have in common.
let cluster: [Target.Dependency] = [
  "Messages", "Transport", "Placement", "Experts", "Kernels", "ModelFiles", "Telemetry", "Tensors",
  log,
]

// Bottom row first: a target may import only what stands above it.
let package = Package(
  name: "conclave",
  products: [.executable(name: "conclave", targets: ["conclave"])],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-crypto", "3.12.0"..<"5.0.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
    .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
    .package(url: "https://github.com/apple/swift-nio-extras.git", from: "1.20.0"),
    .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.0"),
    .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.0"),
    .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
  ],
  targets: [
    .target(name: "CKernels"),
    .systemLibrary(name: "CLinux"),
    .systemLibrary(name: "CZeroMQ", providers: [.apt(["libzmq3-dev"])]),
    .systemLibrary(
      name: "CProtobufC", pkgConfig: "libprotobuf-c", providers: [.apt(["libprotobuf-c-dev"])]),
    .target(name: "CMessages", dependencies: ["CProtobufC"]),
    target("Tensors"),
    target("Kernels", ["CKernels", "Tensors"]),
    target("ModelFiles", ["Tensors", crypto]),
    target("Synthesis", ["ModelFiles", "Tensors"]),
    target("Tokenization", ["ModelFiles"]),
    target("Experts", ["Kernels", "ModelFiles", "Tensors"]),
    target("DeepSeek", ["Experts", "Kernels", "ModelFiles", "Tensors"]),
    target("Placement", ["Experts"]),
    target(
      "Planning",
      ["DeepSeek", "Experts", "Kernels", "ModelFiles", "Placement", "Synthesis", "Tensors"]),
    target(
      "Messages",
      ["CMessages", "CProtobufC", "Experts", "Kernels", "ModelFiles", "Placement", "Tensors"]),
    target("Transport", ["CZeroMQ"]),
    target("CommandSettings", [.product(name: "Yams", package: "Yams")]),
    target("Telemetry", [.product(name: "Histogram", package: "hdrhistogram-swift")]),
    target("LinkEmulation", ["CLinux", "Telemetry", "Transport"]),
    target("Worker", cluster),
    target("Coordinator", cluster),
    target(
      "Inference",
      ["DeepSeek", "Tokenization", "Experts", "Kernels", "Tensors", "Telemetry", crypto]),
    target(
      "Simulation",
      ["Coordinator", "Experts", "Inference", "Messages", "ModelFiles", "Placement", "Planning"]),
    target("Constraints", ["Inference", "ModelFiles", "Tokenization"]),
    target(
      "Serving",
      [
        "Constraints", "Inference", "Tokenization", "ModelFiles", "Telemetry", hummingbird, nioCore,
        nioSSL, crypto, log,
        .product(name: "HummingbirdCore", package: "hummingbird"),
        .product(name: "HummingbirdTLS", package: "hummingbird"),
        .product(name: "HTTPTypes", package: "swift-http-types"),
        .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
      ], exclude: ["README.md"], resources: [.copy("Page")]),
    .executableTarget(
      name: "conclave",
      dependencies: [
        "CommandSettings", "Coordinator", "DeepSeek", "Experts", "Inference", "Kernels",
        "LinkEmulation", "ModelFiles", "Placement", "Planning", "Serving", "Simulation",
        "Synthesis", "Telemetry", "Tensors", "Tokenization", "Transport", "Worker", log, nioCore,
        nioSSL, .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "AsyncHTTPClient", package: "async-http-client"),
        .product(name: "Yams", package: "Yams"),
        lifecycle, .product(name: "UnixSignals", package: "swift-service-lifecycle"),
      ],
      resources: [.copy("Resources/conclave-demo-q8_0.gguf")], swiftSettings: swift),
    .executableTarget(
      name: "EngineOverhead",
      dependencies: [
        "Inference", "Kernels", "ModelFiles", "Telemetry", "Tensors", "Tokenization",
      ],
      path: "Benchmarks/EngineOverhead", swiftSettings: swift),
    .target(
      name: "CBareLinks", dependencies: ["CZeroMQ"], path: "Benchmarks/DispatchCost/CBareLinks"),
    .executableTarget(
      name: "DispatchCost",
      dependencies: [
        "CBareLinks", "Coordinator", "Experts", "Kernels", "Messages", "ModelFiles", "Telemetry",
        "Tensors", "Worker", log,
      ],
      path: "Benchmarks/DispatchCost/Program", swiftSettings: swift),
    .executableTarget(
      name: "StreamFloor",
      dependencies: [
        nioCore, .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
      ],
      path: "Benchmarks/StreamFloor", swiftSettings: swift),
    .target(name: "CAllocations", path: "Tests/CAllocations"),
    .target(
      name: "TestSupport", dependencies: ["CAllocations", "ModelFiles", "Tokenization"],
      path: "Tests/TestSupport",
      swiftSettings: swift),
    .target(
      name: "FuzzTargets",
      dependencies: [
        "CommandSettings", "Constraints", "DeepSeek", "Experts", "Kernels", "LinkEmulation",
        "Messages",
        "ModelFiles",
        "Serving", "Tokenization", "Transport",
      ],
      path: "Tests/FuzzTargets", swiftSettings: swift),
    .executableTarget(
      name: "Storm",
      dependencies: [
        "Coordinator", "DeepSeek", "Experts", "Inference", "Kernels", "LinkEmulation", "Messages",
        "ModelFiles", "Placement", "Telemetry", "Tokenization", "Transport", "Worker", log,
      ],
      path: "Tests/Storm", swiftSettings: swift),
    .testTarget(
      name: "FuzzTests", dependencies: ["FuzzTargets", "TestSupport"], swiftSettings: swift),
    tests("Kernels", ["Tensors"]),
    tests("ModelFiles", ["Tensors"]),
    tests("Synthesis", ["Kernels", "ModelFiles", "Tensors"]),
    tests("Tokenization", ["ModelFiles"]),
    tests("Experts", ["Kernels", "ModelFiles", "Tensors"]),
    tests("DeepSeek", ["Experts", "Kernels", "ModelFiles", "Tensors", "Tokenization"]),
    tests("Placement", ["Experts", "Kernels", "Tensors"]),
    tests(
      "Planning", ["DeepSeek", "Experts", "Kernels", "ModelFiles", "Placement", "Synthesis"]),
    tests("Messages", ["Experts", "ModelFiles", "Placement"]),
    tests("Transport", ["CZeroMQ"]),
    tests("LinkEmulation", ["Telemetry", "Transport"]),
    tests("Telemetry"),
    tests("Coordinator", ["Worker", "LinkEmulation", "CZeroMQ"] + cluster),
    tests(
      "Inference",
      ["DeepSeek", "Tokenization", "Experts", "Kernels", "ModelFiles", "Tensors", "Telemetry"]),
    tests("Simulation", ["Planning", "Synthesis"]),
    tests("Constraints", ["Inference", "ModelFiles", "Tokenization"]),
    tests(
      "Serving",
      [
        "Constraints", "Inference", "Tokenization", "ModelFiles", "Tensors", hummingbird, nioCore,
        lifecycle, log,
        .product(name: "HummingbirdTesting", package: "hummingbird"),
        .product(name: "HTTPTypes", package: "swift-http-types"),
        .product(name: "NIOPosix", package: "swift-nio"),
      ]),
    .testTarget(
      name: "ClusterTests", dependencies: ["conclave", "TestSupport"], swiftSettings: swift),
    .testTarget(name: "TidyTests", dependencies: ["TestSupport"], swiftSettings: swift),
  ],
  cLanguageStandard: .c11
)

// Fuzzing needs other compiler flags than everything else: `Tests/Fuzz/run` sets this.
if Context.environment["CONCLAVE_FUZZ"] != nil {
  package.targets.append(
    .executableTarget(
      name: "Fuzz", dependencies: ["FuzzTargets"], path: "Tests/Fuzz/Driver",
      swiftSettings: swift + [.unsafeFlags(["-parse-as-library"])]))
}
