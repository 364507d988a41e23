import Foundation
import Glibc
import TestSupport
import Testing

extension ClusterTests {
  /// Keys of machines, as those who run a cluster use them.
  @Suite struct ClusterKeys {
    let folder: URL

    init() throws {
      folder = FileManager.default.temporaryDirectory.appending(path: "conclave-\(UUID())")
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    private func path(_ name: String) -> String { folder.appending(path: name).path }

    private func keys(_ arguments: String...) throws -> String {
      let ended = try ConclaveCommand.run(["keys"] + arguments)
      try #require(ended.status == 0, "\(ended.errors)")
      return ended.text.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    private func waits(_ condition: () -> Bool) -> Bool {
      ChildProcess.waits(upTo: .seconds(30), until: condition)
    }

    /// The steps of README.md, over an address that counts as another machine's: 0.0.0.0.
    @Test func `two workers join with keys, and one is revoked without a restart`() throws {
      defer { try? FileManager.default.removeItem(at: folder) }
      let coordinator = try keys("new", path("coordinator.key"))
      let workers = try ["one", "two"].map { try keys("new", path("\($0).key")) }
      #expect(try keys("show", path("one.key")) == workers[0])
      for (name, key) in zip(["one", "two"], workers) {
        _ = try keys("allow", key, "--name", name, "--file", path("workers.allow"))
      }
      #expect(try keys("list", "--file", path("workers.allow")).contains(workers[1]))
      let config = """
        model: \(Fixtures.demoModel)
        listen: tcp://0.0.0.0:0
        expect: 2
        cluster-key: \(path("coordinator.key"))
        allow-workers: \(path("workers.allow"))
        http: 127.0.0.1:0
        """
      try config.write(toFile: path("serve.yaml"), atomically: true, encoding: .utf8)
      let server = try ConclaveCommand.start(["serve", "--config", path("serve.yaml")])
      let pattern = /waiting for 2 workers at tcp:\/\/0\.0\.0\.0:(\d+)/
      #expect(waits { server.errorsSoFar.contains(pattern) }, "\(server.errorsSoFar)")
      let port = try #require(server.errorsSoFar.firstMatch(of: pattern)).1
      let started = try ["one", "two"].map { name in
        try ConclaveCommand.start([
          "worker", "--join", "tcp://127.0.0.1:\(port)", "--name", name, "--threads", "1",
          "--cluster-key", path("\(name).key"), "--coordinator-key", coordinator,
        ])
      }
      #expect(waits { server.errorsSoFar.contains("listening on http") }, "\(server.errorsSoFar)")
      _ = try keys("revoke", "one", "--file", path("workers.allow"))
      let ended = started[0].wait(limit: .seconds(30))
      #expect(ended.status == 1)
      #expect(ended.errorLines.last?.hasSuffix("was dismissed: its key was revoked") == true)
      #expect(waits { server.errorsSoFar.contains("(one): its key was revoked") })
      let stranger = try ConclaveCommand.start([
        "worker", "--join", "tcp://127.0.0.1:\(port)", "--cluster-key", path("one.key"),
        "--coordinator-key", coordinator,
      ])
      #expect(waits { stranger.errorsSoFar.contains("does not let this worker's key in") })
      #expect(waits { server.errorsSoFar.contains("`conclave keys allow \(workers[0])") })
      stranger.signal(SIGTERM)
      server.signal(SIGTERM)
      #expect(server.wait(limit: .seconds(30)).status == 0)
    }

    @Test func `other machines are not let in, and not joined, without keys`() throws {
      defer { try? FileManager.default.removeItem(at: folder) }
      let listen = ["serve", Fixtures.demoModel, "--listen", "tcp://0.0.0.0:0", "--expect", "1"]
      #expect(
        try ConclaveCommand.failure(listen, status: 64)
          == "conclave: --listen tcp://0.0.0.0:0 is open to other machines, and nobody needs a key"
          + " to join; give --cluster-key and --allow-workers (`conclave keys --help` says how), or"
          + " --insecure-cluster if that is meant; see `conclave serve --help`")
      let join = ["worker", "--join", "tcp://192.0.2.1:7400"]
      #expect(
        try ConclaveCommand.failure(join, status: 64)
          == "conclave: --join tcp://192.0.2.1:7400 is another machine, and there is no key to know"
          + " it by; give --cluster-key and --coordinator-key (`conclave keys --help` says how), or"
          + " --insecure-cluster if that is meant; see `conclave worker --help`")
      _ = try keys("new", path("a.key"))
      for (arguments, words) in [
        (listen + ["--cluster-key", path("a.key")], "belong together"),
        (listen + ["--insecure-cluster", "--cluster-key", "a", "--allow-workers", "b"], "exclude"),
        (join + ["--cluster-key", path("a.key")], "belong together"),
        (["generate", "m", "--prompt", "a", "--insecure-cluster"], "need --listen"),
      ] {
        #expect(try ConclaveCommand.failure(arguments, status: 64).contains(words))
      }
      let missing = listen + ["--cluster-key", path("a.key"), "--allow-workers", path("none")]
      #expect(
        try ConclaveCommand.failure(missing).contains("`conclave keys allow` makes one"))
      unsafe chmod(path("a.key"), 0o640)
      #expect(
        try ConclaveCommand.failure(
          join + ["--cluster-key", path("a.key"), "--coordinator-key", "x"]
        )
        .contains("run chmod 600 on it"))
    }

    /// The lines of a key pair look like those of API keys, and the pair was replaced by them.
    @Test func `files of machines' keys are no files of API keys`() throws {
      defer { try? FileManager.default.removeItem(at: folder) }
      let publicKey = try keys("new", path("a.key"))
      _ = try keys("allow", publicKey, "--name", "a", "--file", path("list"))
      _ = try keys("revoke", "a", "--file", path("list"))
      for name in [path("a.key"), path("list")] {
        let before = try Data(contentsOf: URL(filePath: name))
        for call in [
          ["keys", "api", "new", "bob", "--file", name],
          ["serve", Fixtures.demoModel, "--http", "127.0.0.1:0", "--keys", name],
        ] {
          #expect(
            try ConclaveCommand.failure(call)
              == "conclave: \(name): these are keys of machines, not API keys; give another file")
        }
        #expect(try Data(contentsOf: URL(filePath: name)) == before)
      }
    }

    /// The nightly run has 10,000 connections to each port.
    @Test func `garbage on every port, with and without keys, changes no answer`() throws {
      let script = Fixtures.folder.deletingLastPathComponent().appending(path: "Nightly/garbage")
      let ended = try ChildProcess(
        "/usr/bin/env",
        [
          "python3", script.path, "--conclave", ConclaveCommand.path, "--connections", "300",
          "--at-once", "100",
        ]
      ).wait(limit: .seconds(150))
      #expect(ended.status == 0, "\(ended.text) \(ended.errors)")
    }

    @Test func `an insecure cluster says so loudly`() throws {
      let server = try ConclaveCommand.start([
        "serve", Fixtures.demoModel, "--listen", "tcp://0.0.0.0:0", "--expect", "1", "--http",
        "127.0.0.1:0", "--insecure-cluster",
      ])
      #expect(
        waits {
          server.errorsSoFar.contains(
            "warning: Anybody who reaches the cluster's address can join it")
        })
      server.signal(SIGTERM)
      _ = server.wait(limit: .seconds(20))
    }
  }
}
