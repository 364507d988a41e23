import Foundation
import Glibc
import TestSupport
import Testing

extension ClusterTests {
  /// Keys, TLS, configuration, logs, ending: the server as those who run it see it.
  @Suite struct Operation {
    let folder: URL

    init() throws {
      folder = FileManager.default.temporaryDirectory.appending(path: "conclave-\(UUID())")
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    private func path(_ name: String) -> String { folder.appending(path: name).path }

    private func write(_ text: String, _ name: String) throws -> String {
      try text.write(toFile: path(name), atomically: true, encoding: .utf8)
      return path(name)
    }

    private func newKey(_ name: String, _ options: [String] = []) throws -> String {
      let made = try ConclaveCommand.run(
        ["keys", "api", "new", name, "--file", path("keys")] + options)
      try #require(made.status == 0, "\(made.errors)")
      return made.text.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    private func end(_ server: RunningServer) {
      server.process.signal(SIGTERM)
      #expect(server.process.wait(limit: .seconds(20)).status == 0)
    }

    @Test func `keys are made, listed, used, revoked without a restart`() throws {
      defer { try? FileManager.default.removeItem(at: folder) }
      let (alice, bob) = (try newKey("alice", ["--requests-per-minute", "60"]), try newKey("bob"))
      #expect(alice.hasPrefix("sk-conclave-") && alice != bob)
      let list = try ConclaveCommand.run(["keys", "api", "list", "--file", path("keys")]).text
      #expect(list.contains("alice") && list.contains("60") && !list.contains(alice))
      #expect(
        try ConclaveCommand.failure(["keys", "api", "new", "bob", "--file", path("keys")])
          .contains("a key for bob already"))
      let server = try RunningServer([Fixtures.demoModel, "--keys", path("keys")])
      #expect(try server.request("/health").status == 200)
      #expect(try server.request("/").status == 200)
      #expect(try server.request("/v1/models").status == 401)
      #expect(try server.request("/metrics", key: alice).status == 200)
      #expect(try server.ask("What is 551 + 56?", key: bob).contains("607"))
      let revoked = try ConclaveCommand.run([
        "keys", "api", "revoke", "bob", "--file", path("keys"),
      ])
      #expect(revoked.status == 0)
      server.process.signal(SIGHUP)
      let isOut = ChildProcess.waits(upTo: .seconds(10)) {
        (try? server.request("/v1/models", key: bob).status) == 401
      }
      #expect(isOut)
      #expect(try server.request("/v1/models", key: alice).status == 200)
      end(server)
      let log = server.process.errorsSoFar
      #expect(log.contains("key: bob") && log.contains("API keys read"))
      #expect(!log.contains(alice) && !log.contains(bob) && !log.contains("551 + 56"))
    }

    @Test func `other machines are not let in without keys`() throws {
      defer { try? FileManager.default.removeItem(at: folder) }
      let line = try ConclaveCommand.failure(
        ["serve", Fixtures.demoModel, "--http", "0.0.0.0:0"], status: 64)
      #expect(
        line == "conclave: --http 0.0.0.0:0 is open to other machines, and nobody needs a key; give"
          + " --keys FILE (`conclave keys api new` makes it), or --open-without-keys if that is"
          + " meant; see `conclave serve --help`")
      _ = try newKey("a")
      unsafe chmod(path("keys"), 0o644)
      #expect(
        try ConclaveCommand.failure(["serve", Fixtures.demoModel, "--keys", path("keys")])
          .contains("(mode 644); run chmod 600 on it"))
    }

    @Test func `TLS with a certificate of one's own, and a conversation through it`() throws {
      defer { try? FileManager.default.removeItem(at: folder) }
      let made = try ChildProcess(
        "/usr/bin/env",
        [
          "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
          "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
          "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", path("key.pem"), "-out",
          path("chain.pem"),
        ]
      ).wait()
      try #require(made.status == 0, "\(made.errors)")
      let key = try newKey("alice")
      let tls = ["--tls-certificate", path("chain.pem"), "--tls-key", path("key.pem")]
      let server = try RunningServer([Fixtures.demoModel, "--keys", path("keys")] + tls)
      #expect(server.scheme == "https")
      #expect(try server.request("/health").status == 0, "an unknown certificate is not trusted")
      let plain = try server.request("/health", scheme: "http")
      #expect(plain.status == 400)
      #expect(plain.text.contains("this port speaks HTTPS only"))
      let trusted = ["--cacert", path("chain.pem")]
      #expect(try server.request("/v1/models", key: key, options: trusted).status == 200)
      let keyFile = try write(key + "\n", "alice.key")
      let chat = [
        "chat", "--server", "https://localhost:\(server.port)", "--tls-authority",
        path("chain.pem"),
        "--temperature", "0",
      ]
      let talk = try ConclaveCommand.run(
        chat + ["--key-file", keyFile], input: "What is 551 + 56?\nWhat is 6 + 540?\n")
      #expect(talk.status == 0, "\(talk.errors)")
      #expect(talk.text.contains("607") && talk.text.contains("546"))
      let refused = try ConclaveCommand.run(chat, input: "Hello\n")
      #expect(refused.status == 1)
      #expect(refused.errorLines.last?.contains("a valid API key is needed") == true)
      let strange = try ConclaveCommand.run(
        ["chat", "--server", "https://localhost:\(server.port)"], input: "Hello\n")
      #expect(strange.status == 1)
      #expect(strange.errorLines.last?.contains("not trusted here; give --tls-authority") == true)
      end(server)
      #expect(
        try ConclaveCommand.failure(
          ["serve", Fixtures.demoModel] + tls.dropLast() + [keyFile]
        ).contains("no private key in PEM format"))
    }

    @Test func `a file configures the server, and the command line wins`() throws {
      defer { try? FileManager.default.removeItem(at: folder) }
      let file = try write(
        """
        # all of these are options
        model: \(Fixtures.demoModel)
        http: "127.0.0.1:0"
        name: from-file
        log-format: json
        workers: 2
        threads: 1
        allow-host: [one.example, two.example]
        no-page: true
        """, "serve.yaml")
      let server = try RunningServer([
        "--config", file, "--name", "from-line", "--http", "127.0.0.1:0",
      ])
      #expect(try server.request("/v1/models").text.contains("from-line"))
      #expect(try server.request("/", options: ["-H", "Host: one.example"]).status == 404)
      #expect(try server.request("/health", options: ["-H", "Host: three.example"]).status == 421)
      #expect(ProcessTable.children(of: server.process.pid).count == 2)
      let answer = try server.request("/v1/models", options: ["-H", "X-Request-Id: mine-1"])
      #expect(answer.text.contains("x-request-id: mine-1"))
      end(server)
      let lines = server.process.errorsSoFar.split(separator: "\n")
      let objects = try lines.map {
        try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
      }
      #expect(objects.allSatisfy { $0["time"] is String && $0["level"] is String })
      let line = try #require(objects.first { $0["request.id"] as? String == "mine-1" })
      #expect(line["route"] as? String == "/v1/models" && line["status"] as? String == "200")
    }

    @Test(arguments: [
      (
        "model: m\nwrokers: 2\n",
        "line 2: \"wrokers\" is no setting of `conclave serve`; did you mean workers?"
      ),
      (
        "model: m\n\nthe-moon: yes\n",
        "line 3: \"the-moon\" is no setting of `conclave serve`; see `conclave serve --help`"
      ),
      ("- a\n", "line 1: write settings as `name: value`, one a line"),
      ("model: m\nno-page: perhaps\n", "line 2: no-page must be true or false"),
      ("model: m\nname:\n  a: b\n", "line 3: name needs one value"),
      ("model: m\nworkers: many\n", "The value 'many' is invalid for '--workers"),
      ("model: [", "this is no YAML"),
      ("help: true\n", "line 1: \"help\" is no setting of `conclave serve`"),
    ])
    func `a wrong line of the configuration is named`(text: String, problem: String) throws {
      defer { try? FileManager.default.removeItem(at: folder) }
      let file = try write(text, "serve.yaml")
      let line = try ConclaveCommand.failure(["serve", "--config", file], status: 64)
      #expect(line.contains(problem), "\(line)")
      #expect(line.ranges(of: "--help").count == 1, "\(line)")
    }

    @Test func `every option of serve is a setting`() throws {
      defer { try? FileManager.default.removeItem(at: folder) }
      let help = try ConclaveCommand.run(["serve", "--help"]).text
      let names = Set(help.matches(of: /--([a-z][a-z-]+)/).map { String($0.1) })
        .subtracting(["help", "version", "config", "requests-per-minute"])
      #expect(names.count > 20)
      for name in names where name != "file" {
        let file = try write("\(name): [[]]\n", "one.yaml")
        let line = try ConclaveCommand.failure(["serve", "--config", file], status: 64)
        #expect(!line.contains("is no setting"), "\(name): \(line)")
      }
    }

    @Test func `a server that ends answers first, and a second signal ends it at once`() throws {
      defer { try? FileManager.default.removeItem(at: folder) }
      let server = try RunningServer([Fixtures.demoModel, "--drain-timeout", "60"])
      let body = """
        {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 400, "stream": true, \
        "ignore_eos": true}
        """
      let client = try ChildProcess(
        "/usr/bin/env",
        [
          "curl", "-sN", "-H", "Content-Type: application/json", "-d", body,
          "http://localhost:\(server.port)/v1/chat/completions",
        ])
      try #require(ChildProcess.waits(upTo: .seconds(20)) { client.outputSoFar.contains("data:") })
      server.process.signal(SIGTERM)
      let ended = client.wait(limit: .seconds(60))
      #expect(ended.text.hasSuffix("data: [DONE]\n\n"))
      #expect(server.process.wait(limit: .seconds(20)).status == 0)
    }

    @Test func `a worker that is watched gives signs of life, with and without a coordinator`()
      throws
    {
      defer { try? FileManager.default.removeItem(at: folder) }
      let script = """
        import socket, sys
        s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        s.bind(sys.argv[1]); s.settimeout(60)
        print("bound", flush=True)
        for i in range(2): print(s.recv(4096).decode(), flush=True)
        """
      let listener = try ChildProcess(
        "/usr/bin/env", ["python3", "-c", script, path("notify")])
      try #require(
        ChildProcess.waits(upTo: .seconds(20)) { listener.outputSoFar.contains("bound") })
      let worker = try ConclaveCommand.start(
        ["worker", "--join", "tcp://127.0.0.1:1", "--threads", "1"],
        environment: ["NOTIFY_SOCKET": path("notify"), "WATCHDOG_USEC": "180000000"])
      let told = listener.wait(limit: .seconds(60)).text
      worker.signal(SIGTERM)
      #expect(told.ranges(of: "WATCHDOG=1").count == 2, "\(told)")
      #expect(worker.wait(limit: .seconds(20)).status == 0)
    }

    @Test func `a service manager is told`() throws {
      defer { try? FileManager.default.removeItem(at: folder) }
      let script = """
        import socket, sys
        s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        s.bind(sys.argv[1]); s.settimeout(60)
        print("bound", flush=True)
        while True:
          text = s.recv(4096).decode(); print(text, flush=True)
          if "STOPPING=1" in text: break
        """
      for name in [path("notify"), "@conclave-\(UUID())"] {
        let bound = name.hasPrefix("@") ? "\u{1}" + name.dropFirst() : name
        let listener = try ChildProcess(
          "/usr/bin/env",
          [
            "python3", "-c",
            script.replacing("sys.argv[1]", with: "sys.argv[1].replace('\\x01', '\\0')"), bound,
          ])
        try #require(
          ChildProcess.waits(upTo: .seconds(20)) { listener.outputSoFar.contains("bound") })
        let server = try RunningServer([Fixtures.demoModel], environment: ["NOTIFY_SOCKET": name])
        end(server)
        let told = listener.wait(limit: .seconds(20)).text
        #expect(told.contains("READY=1") && told.contains("STOPPING=1"), "\(told)")
      }
    }
  }
}
