import Foundation
import TestSupport
import Testing

extension ClusterTests {
  /// Exit codes and the words of errors.
  @Suite struct Usage {
    static let model = Fixtures.path("gguf/v2-lite-like.gguf")

    @Test(arguments: [
      (
        ["generate"],
        "conclave: Missing expected argument '<model>'; see `conclave generate --help`"
      ),
      (
        ["generate", "m", "--prompt", "a", "--tokens", "1"],
        "conclave: --prompt, --prompt-file and --tokens exclude each other; give one of them; see"
          + " `conclave generate --help`"
      ),
      (
        ["generate", "m"],
        "conclave: there is nothing to continue; give --prompt, --prompt-file or --tokens; see"
          + " `conclave generate --help`"
      ),
      (
        ["generate", "m", "--prompt", "a", "--temperature", "3"],
        "conclave: --temperature must be from 0 to 2, not 3; see `conclave generate --help`"
      ),
      (
        ["generate", "m", "--prompt", "a", "--max-tokens", "0"],
        "conclave: --max-tokens must be 1 or more, not 0; see `conclave generate --help`"
      ),
      (
        ["logits", "m", "--tokens", "1", "--threads", "0"],
        "conclave: --threads must be from 1 to 1024, not 0; see `conclave logits --help`"
      ),
      (
        ["logits", "m", "--tokens", "1", "--workers", "2", "--listen", "tcp://127.0.0.1:7400"],
        "conclave: --workers and --listen exclude each other; give one of them; see"
          + " `conclave logits --help`"
      ),
      (
        ["logits", "m", "--tokens", "1", "--listen", "tcp://127.0.0.1:7400"],
        "conclave: --listen needs --expect, the number of workers to wait for; see"
          + " `conclave logits --help`"
      ),
      (
        ["worker", "--join", "localhost"],
        "conclave: --join must look like tcp://HOST:PORT, not localhost; see"
          + " `conclave worker --help`"
      ),
      (
        ["worker", "--join", "tcp://127.0.0.1:1", "--memory", "12"],
        "conclave: --memory 12 has no unit; say what it is, such as 12GiB; see"
          + " `conclave worker --help`"
      ),
      (
        ["serve", "m", "--kv-memory", "1.5"],
        "conclave: --kv-memory 1.5 has no unit; say what it is, such as 1.5GiB; see"
          + " `conclave serve --help`"
      ),
      (
        ["serve", "m", "--http", "nowhere"],
        "conclave: --http must look like HOST:PORT, not nowhere; see `conclave serve --help`"
      ),
      (
        ["serve", "m", "--prefix-disk-size", "64GiB"],
        "conclave: --prefix-disk-size needs --prefix-disk, the folder for it; see"
          + " `conclave serve --help`"
      ),
      (
        ["serve", "m", "--name", ""],
        "conclave: --name and --alias must not be empty; see `conclave serve --help`"
      ),
      (
        ["serve", "--htp", "127.0.0.1:1"],
        "conclave: Unknown option '--htp'. Did you mean '--http'?; see `conclave serve --help`"
      ),
      (
        ["chat", "--server", "http://127.0.0.1:1", "--api-key", "k"],
        "conclave: Unknown option '--api-key'; see `conclave chat --help`"
      ),
      (
        ["keys", "api", "new", "--file", "keys"],
        "conclave: Missing expected argument '<name>'; see `conclave keys api new --help`"
      ),
      (["frobnicate"], "conclave: 'frobnicate' is no command; see `conclave --help`"),
      (
        ["generat", "m"], "conclave: 'generat' is no command, 'generate' is; see `conclave --help`"
      ),
    ])
    func `wrong arguments are exit 64 and one line`(arguments: [String], line: String) throws {
      #expect(try ConclaveCommand.failure(arguments, status: 64) == line)
    }

    @Test(arguments: [
      ["logits", "m", "--tokens", "1,x"], ["logits", "m", "--tokens", ""],
      ["logits", "m", "--tokens", "99999999999999999999"], ["logits", "m"],
      ["logits", "m", "--tokens", "1", "--routing", "random"],
      ["logits", "m", "--tokens", "1", "--kernels", "sse"],
      ["logits", "m", "--tokens", "1", "--workers", "-1"],
      ["logits", "m", "--tokens", "1", "--workers", "1000000"],
      ["generate", "m", "--prompt", "a", "--seed", "-1"],
      ["generate", "m", "--prompt", "a", "--top-p", "nan"],
      ["generate", "m", "--prompt", "a", "--context", "99999999999"],
      ["worker", "--join", "tcp://h:1", "--memory", "lots"],
      ["worker", "--join", "tcp://h:1", "--memory", "0"], ["worker"],
      ["bench", "m", "--repetitions", "0"], ["bench", "m", "--batch", "1,,4"],
      ["bench", "m", "--batch", "0"], ["bench", "m", "--batch", "8", "--step-tokens", "4"],
      ["bench", "m", "--depth", "-1"], ["bench-kernels", "--formats", "q9_k"],
      ["bench-kernels", "--rows", "0"], ["bench-kernels", "--working-set", "1"],
      ["bench-attention", "--heads", "0"], ["bench-attention", "--contexts", "64", "0"],
      ["bench-attention", "--rows", "0"], ["bench-attention", "--milliseconds", "0"],
      ["logits", "m", "--tokens", "1", "--kv-format", "q4"],
      ["perplexity", "m"],
      ["perplexity", "m", "--file", "f", "--window", "0"], ["synthesize", "no-model", "out"],
      ["synthesize", "deepseek-v2", "out", "--experts", "17"],
      ["emulate-link"], ["emulate-link", "--listen", "127.0.0.1:1"],
      ["emulate-link", "--listen", "127.0.0.1:1", "--to", "127.0.0.1:2", "--delay", "soon"],
      ["emulate-link", "--listen", "127.0.0.1:1", "--to", "127.0.0.1:2", "--at", "1s explode"],
      ["logits", "m", "--tokens", "1", "--data-port", "7401"],
      ["latency", "--workers", "1", "--count", "0"], ["latency"],
      ["latency", "--workers", "1", "--json", "--csv"],
      ["worker", "--join", "tcp://127.0.0.1:7400", "--hot-io", "0"],
      ["worker", "--join", "tcp://127.0.0.1:7400", "--drain-timeout", "86401"],
      ["generate", "m", "--prompt", "a", "--overlap", "1"],
      ["generate", "m", "--prompt", "a", "--rebalance", "60"],
      ["generate", "m", "--prompt", "a", "--speculate", "9"],
      ["latency", "--workers", "1", "--watch", "--json"],
      ["inspect"], ["inspect", "m", "--no-such-flag"],
    ])
    func `bad usage is exit 64 and one line`(arguments: [String]) throws {
      let line = try ConclaveCommand.failure(arguments, status: 64)
      #expect(line.hasPrefix("conclave: "))
      #expect(line.hasSuffix("--help`"))
    }

    @Test func `help is exit 0 for every command`() throws {
      let commands = [
        "demo", "inspect", "tokenize", "logits", "generate", "chat", "perplexity", "worker",
        "serve", "latency", "bench", "bench-kernels", "bench-attention", "synthesize", "keys",
        "emulate-link",
      ]
      for arguments in [["--help"], ["--version"]] + commands.map({ [$0, "--help"] }) {
        let ended = try ConclaveCommand.run(arguments)
        #expect(ended.status == 0)
        #expect(ended.errors.isEmpty)
        #expect(!ended.output.isEmpty)
      }
    }

    @Test func `ids that the model does not have are exit 1`() throws {
      for call in ["logits", "generate"] {
        for id in ["1000000", "-1"] {
          let line = try ConclaveCommand.failure([call, Self.model, "--tokens=\(id)"])
          #expect(line.contains("token \(id) "))
          #expect(line.contains("vocabulary"))
        }
      }
    }

    @Test func `a vocabulary-only file is tokenized, inspected, and not run`() throws {
      let path = Fixtures.path("tokenizer/ggml-vocab-deepseek-llm.gguf")
      let tokens = try ConclaveCommand.run(["tokenize", path, "--json"], input: "Hello").json()
      #expect((tokens["tokens"] as? [Int])?.first == 100_000)
      #expect(try ConclaveCommand.run(["inspect", path]).status == 0)
      let line = try ConclaveCommand.failure(["logits", path, "--tokens", "1"])
      #expect(line.contains("vocabulary"))
    }

    @Test func `a prompt longer than the context is one line`() throws {
      let line = try ConclaveCommand.failure([
        "generate", Self.model, "--tokens", "1,2,3,4,5", "--context", "4",
      ])
      #expect(line.contains("context length is 4 tokens"))
    }

    /// Sockets know no names, and said that there is no such device.
    @Test func `a coordinator listens at localhost`() throws {
      let run = try ConclaveCommand.start([
        "logits", Self.model, "--tokens", "1", "--listen", "tcp://localhost:0", "--expect", "1",
      ])
      let listens = ChildProcess.waits(upTo: .seconds(20)) {
        run.errorsSoFar.contains("waiting for a worker at tcp://127.0.0.1:")
      }
      #expect(listens, "\(run.errorsSoFar)")
      run.signal(SIGKILL)
      _ = run.wait(limit: .seconds(20))
    }

    /// The usual number of tokens did not fit, which nobody had asked for.
    @Test func `an answer is as long as the context allows, unless more is asked for`() throws {
      let call = ["generate", Fixtures.demoModel, "--tokens", "1,2,3", "-c", "20", "--ignore-end"]
      let answer = try ConclaveCommand.run(call + ["--json"]).json()
      #expect((answer["tokens"] as? [Int])?.count == 17)
      let line = try ConclaveCommand.failure(call + ["-n", "18"])
      #expect(line.contains("context length is 20 tokens"))
    }

    @Test func `kernels that this machine lacks are refused`() throws {
      #if arch(x86_64)
        let foreign = "neon"
      #else
        let foreign = "avx2"
      #endif
      let line = try ConclaveCommand.failure([
        "logits", Self.model, "--tokens", "1", "--kernels", foreign,
      ])
      #expect(line.hasPrefix("conclave: this machine cannot run \(foreign) kernels; it has scalar"))
    }

    @Test(arguments: [
      (["perplexity", model, "--file", "no-such-file"], "no-such-file: cannot be read"),
      (["perplexity", model, "--file", "/dev/null"], "/dev/null: is empty"),
      (
        [
          "perplexity", Fixtures.demoModel, "--file",
          Fixtures.path("demo-model/heldout_stories.txt"), "--window", "100000",
        ], "--window 100000 is longer than the model's context of "
      ),
      (["generate", model, "--prompt-file", "no-such-file"], "no-such-file: cannot be read"),
      (["chat", Fixtures.path("gguf/v2-236b-like.gguf")], "chat format"),
      (["generate", model, "--prompt", "a", "--suffix", "b"], "fill-in-the-middle"),
      (["synthesize", "deepseek-v2", model], "exists"),
      (["synthesize", "deepseek-v2", "/no-such-folder/x.gguf"], "/no-such-folder/x.gguf"),
      (
        [
          "serve", Fixtures.demoModel, "--http", "127.0.0.1:0", "--journal",
          FileManager.default.temporaryDirectory.path,
        ], "this is no regular file; give another --journal"
      ),
      (
        [
          "logits", model, "--tokens", "1", "--listen", "tcp://192.0.2.1:7400", "--expect", "1",
          "--insecure-cluster",
        ], "192.0.2.1"
      ),
    ])
    func `what cannot be done is exit 1 and names the reason`(call: [String], reason: String) throws
    {
      let ended = try ConclaveCommand.run(call)
      #expect(ended.status == 1, "\(call): \(ended.errors)")
      #expect(ended.errorLines.last?.contains(reason) == true, "\(call): \(ended.errors)")
      #expect(ended.errorLines.filter { $0.hasPrefix("conclave: ") }.count == 1)
    }

    /// It was silent for ten seconds, and tried again meanwhile.
    @Test(arguments: [["chat"], ["drain", "worker"]])
    func `a server that is not there is said at once`(call: [String]) throws {
      let ended = try ConclaveCommand.run(
        call + ["--server", "http://127.0.0.1:1"], input: "Hello\n")
      #expect(ended.status == 1)
      #expect(
        ended.errorLines.last
          == "conclave: http://127.0.0.1:1 cannot be reached, check --server: Connection refused")
      #expect(ended.wallTime < .seconds(8))
    }

    @Test func `more memory than the machine has is said, and plain bytes are taken`() throws {
      for (memory, isSaid) in [("900TiB", true), ("1048576", false)] {
        let worker = try ConclaveCommand.start([
          "worker", "--join", "tcp://127.0.0.1:1", "--threads", "1", "--memory", memory,
        ])
        let joins = ChildProcess.waits(upTo: .seconds(30)) {
          worker.errorsSoFar.contains("127.0.0.1:1")
        }
        #expect(joins, "\(worker.errorsSoFar)")
        #expect(worker.errorsSoFar.contains("--memory is ") == isSaid, "\(worker.errorsSoFar)")
        worker.signal(SIGTERM)
        #expect(worker.wait(limit: .seconds(20)).status == 0)
      }
    }

    @Test func `help appears at once`() throws {
      let times = try (0..<5).map { _ in try ConclaveCommand.run(["--help"]).processorTime }
      #expect(try #require(times.min()) < .milliseconds(60))
    }

    @Test func `a full disk is an error`() throws {
      guard FileManager.default.fileExists(atPath: "/dev/full") else { return }
      let script = "exec \"$0\" inspect \"$1\" > /dev/full"
      let process = try ChildProcess(
        "/bin/sh", ["-c", script, ConclaveCommand.path, Self.model])
      let ended = process.wait()
      #expect(ended.status == 1)
      #expect(ended.errorLines.count == 1)
    }
  }
}
