// swift-tools-version: 6.2
import PackageDescription

let swift: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableExperimentalFeature("Lifetimes"),
  .strictMemorySafety(),
]

func target(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: swift)
}

func tests(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
  .testTarget(
    name: name + "Tests", dependencies: [.init(stringLiteral: name), "TestSupport"] + dependencies,
    swiftSettings: swift)
}

let log = Target.Dependency.product(name: "Logging", package: "swift-log")

// Bottom row first: a target may import only what stands above it.
let package = Package(
  name: "conclave",
  products: [.executable(name: "conclave", targets: ["conclave"])],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-crypto", "3.12.0"..<"5.0.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
    .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.0"),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
  ],
  targets: [
    .target(name: "CKernels"),
    .systemLibrary(name: "CZeroMQ", pkgConfig: "libzmq", providers: [.apt(["libzmq3-dev"])]),
    .systemLibrary(
      name: "CProtobufC", pkgConfig: "libprotobuf-c", providers: [.apt(["libprotobuf-c-dev"])]),
    .target(name: "CMessages", dependencies: ["CProtobufC"]),
    target("Tensors"),
    target("Kernels", ["CKernels", "Tensors"]),
    target("ModelFiles", ["Tensors", .product(name: "Crypto", package: "swift-crypto")]),
    target("Synthesis", ["ModelFiles", "Tensors"]),
    target("Tokenization", ["ModelFiles"]),
    target("Experts", ["Kernels", "ModelFiles", "Tensors"]),
    target("DeepSeek", ["Experts", "Kernels", "ModelFiles", "Tensors"]),
    target("Placement", ["Experts"]),
    target("Messages", ["CMessages", "Experts", "Placement"]),
    target("Transport", ["CZeroMQ"]),
    target("Telemetry", [.product(name: "Histogram", package: "hdrhistogram-swift")]),
    target("Worker", ["Messages", "Transport", "Placement", "Experts", "Kernels", "Telemetry", log]),
    target(
      "Coordinator",
      ["Messages", "Transport", "Placement", "Experts", "Kernels", "Telemetry", log]),
    target("Inference", ["DeepSeek", "Tokenization", "Experts", "Telemetry"]),
    target(
      "Serving",
      ["Inference", "Tokenization", .product(name: "Hummingbird", package: "hummingbird"), log]),
    .executableTarget(
      name: "conclave",
      dependencies: [
        "Coordinator", "DeepSeek", "Experts", "Inference", "Kernels", "ModelFiles", "Placement",
        "Serving", "Synthesis", "Telemetry", "Tensors", "Tokenization", "Worker", log,
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
      ],
      resources: [.copy("Resources/conclave-demo-q8_0.gguf")], swiftSettings: swift),
    .target(name: "TestSupport", path: "Tests/TestSupport", swiftSettings: swift),
    tests("Kernels", ["Tensors"]),
    tests("ModelFiles", ["Tensors"]),
    tests("Synthesis", ["ModelFiles"]),
    tests("Tokenization", ["ModelFiles"]),
    tests("Experts", ["Kernels", "ModelFiles", "Tensors"]),
    tests("DeepSeek", ["Experts", "Kernels", "ModelFiles", "Tensors"]),
    tests("Placement", ["Experts"]),
    tests("Messages", ["CMessages", "Experts", "Placement"]),
    tests("Transport"),
    tests("Coordinator", ["Worker", "Experts", "Kernels", "ModelFiles", "Messages", "Transport"]),
    tests("Inference", ["DeepSeek", "Tokenization", "Experts", "Kernels", "ModelFiles"]),
    tests("Serving", ["Inference"]),
    .testTarget(name: "ClusterTests", dependencies: ["conclave", "TestSupport"], swiftSettings: swift),
    .testTarget(name: "TidyTests", dependencies: ["TestSupport"], swiftSettings: swift),
  ],
  cLanguageStandard: .c11
)
