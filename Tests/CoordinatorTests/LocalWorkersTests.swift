import Coordinator
import Foundation
import Testing

/// Processes of this machine, with the shell in place of the worker program.
@Suite struct LocalWorkersTests {
  private func start(_ count: Int, _ script: String) throws -> LocalWorkers {
    try LocalWorkers(count: count, executable: URL(filePath: "/bin/sh")) { index in
      ["-c", script, "worker-\(index)"]
    }
  }

  private func isRunning(_ identifier: Int32) -> Bool { kill(identifier, 0) == 0 }

  @Test func `processes end with their pipe`() throws {
    let workers = try start(3, "cat")
    let identifiers = workers.processIdentifiers
    #expect(identifiers.count == 3 && identifiers.allSatisfy(isRunning))
    #expect(workers.failure == nil)
    workers.terminate()
    #expect(!identifiers.contains(where: isRunning))
    #expect(workers.failure == nil)
  }

  @Test func `processes that do not want to end are killed after the grace`() throws {
    let workers = try start(1, "trap '' TERM; while true; do sleep 0.1; done")
    Thread.sleep(forTimeInterval: 0.1)
    workers.terminate(grace: .milliseconds(100))
    #expect(!workers.processIdentifiers.contains(where: isRunning))
  }

  @Test func `processes end when the object goes away`() throws {
    var workers: LocalWorkers? = try start(1, "cat")
    let identifiers = workers?.processIdentifiers ?? []
    workers = nil
    #expect(!identifiers.contains(where: isRunning))
  }

  @Test func `a process that ends early is an error with its last line`() throws {
    let workers = try start(2, "echo starting >&2; echo 'no such model' >&2; exit 3")
    // Both end, in any order: what is said is looked at once, since the next look may name the other.
    var failure = workers.failure
    while failure == nil {
      Thread.sleep(forTimeInterval: 0.01)
      failure = workers.failure
    }
    let words = failure.map { "\($0)" } ?? ""
    #expect(words.hasPrefix("worker process "))
    #expect(words.hasSuffix(" ended with status 3: no such model"))
  }

  @Test func `a program that is not there is an error`() {
    let error = #expect(throws: ClusterError.self) {
      try LocalWorkers(count: 1, executable: URL(filePath: "/nowhere/conclave")) { _ in [] }
    }
    #expect(error?.description.contains("check /nowhere/conclave") == true)
  }
}
