import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Logging
import NIOCore
import Serving
import Testing

private func get(_ path: String, _ client: any TestClientProtocol) async throws -> TestResponse {
  try await client.executeRequest(uri: path, method: .get, headers: [:], body: nil)
}

/// The value of a metric, as Prometheus would read it.
private func value(_ line: String, in text: String) -> Double? {
  text.split(separator: "\n").first { $0.hasPrefix(line + " ") }?.split(separator: " ").last
    .flatMap { Double($0) }
}

/// A picture with one worker that answers and one that is gone.
private func picture() -> ClusterPicture {
  let times = ClusterPicture.Times(count: 4, p50: 150, p99: 900, max: 1200, mean: 250)
  let link = ClusterPicture.Link(roundTrip: times, network: times, queue: times, compute: times)
  func worker(_ id: Int, _ state: ClusterPicture.State) -> ClusterPicture.Worker {
    ClusterPicture.Worker(
      id: id, name: "host\"\(id)\\\n", state: state, lostReason: state == .lost ? "silent" : nil,
      cores: 8, instructionSet: "avx2", memoryBudget: 1000, memoryBandwidth: 0, assignedGroups: 4,
      loadedGroups: 4, residentBytes: 600, link: state == .ready ? link : nil)
  }
  var picture = ClusterPicture()
  picture.workers = [worker(0, .ready), worker(1, .lost)]
  picture.groupCount = 2
  picture.layers = [.init(layer: 1, uses: [3, 0, 1, 4], holders: [[0], [1, 0]])]
  picture.time.calls = 8
  picture.time.rows = 8
  picture.time.combineSeconds = 0.25
  return picture
}

@Suite(.timeLimit(.minutes(10))) struct MetricsTests {
  @Test func requestsAndTokensAreCounted() async throws {
    let server = try configuredServer()
    try await server.application().test(.router) { client in
      _ = try await post(chat, hello + "}", to: client)
      _ = try await events(chat, hello + #","stream":true}"#, to: client)
      _ = try await post(chat, "{", to: client)
      let response = try await get("/metrics", client)
      #expect(response.headers[.contentType] == "text/plain; version=0.0.4; charset=utf-8")
      let text = String(buffer: response.body)
      let route = #"conclave_http_responses_total{method="POST",route="/v1/chat/completions""#
      #expect(value(route + #",status="200"}"#, in: text) == 2)
      #expect(value(route + #",status="400"}"#, in: text) == 1)
      let answer = Double(tokens("Nice to meet you.").count)
      #expect(value("conclave_output_tokens_total", in: text) == 2 * answer)
      #expect(value("conclave_generations_total{reason=\"stop\"}", in: text) == 2)
      #expect(value("conclave_time_to_first_token_seconds_count", in: text) == 2)
      #expect(value("conclave_inter_token_seconds_count", in: text) == 2 * (answer - 1))
      #expect(
        value("conclave_inter_token_seconds_bucket{le=\"+Inf\"}", in: text) == 2 * (answer - 1))
      #expect(value("conclave_requests_waiting", in: text) == 0)
    }
  }

  @Test func everyMetricIsExplainedOnceAndDocumented() async throws {
    let folder = try TemporaryFolder()
    let secret = APISecret.random()
    let keys = try folder.keys([APIKey(name: "a", digest: secret.digest)])
    let server = try configuredServer { options in
      options.keys = try? KeyRing(file: keys, logger: Logger(label: "test"))
      options.cluster = { picture() }
    }
    try await server.application().test(.router) { client in
      let headers: HTTPFields = [.authorization: "Bearer \(secret.text)"]
      let first = try await client.executeRequest(
        uri: "/v1/models", method: .get, headers: headers, body: nil)
      #expect(first.status == .ok)
      let response = try await client.executeRequest(
        uri: "/metrics", method: .get, headers: headers, body: nil)
      let text = String(buffer: response.body)
      let names = text.matches(of: #/[#] TYPE (\S+) (\w+)/#).map { String($0.1) }
      #expect(names.count > 25)
      #expect(Set(names).count == names.count)
      #expect(text.matches(of: #/[#] HELP (\S+)[ ]/#).map { String($0.1) } == names)
      for line in text.split(separator: "\n") where !line.hasPrefix("#") {
        let name = line.prefix { $0 != "{" && $0 != " " }
        let base = name.replacing(/_(bucket|sum|count)$/, with: "")
        #expect(names.contains(String(name)) || names.contains(String(base)), "\(line)")
        let pattern = /[a-z_]+(\{([a-z]+="([^"\\\n]|\\.)*",?)+\})? [-+0-9.einf]+/
        #expect(line.wholeMatch(of: pattern) != nil, "\(line)")
      }
      let page = try String(contentsOf: documentation, encoding: .utf8)
      for name in names { #expect(page.contains("`\(name)`"), "\(name) is not documented") }
      #expect(text.contains(#"name="host\"0\\\n""#))
    }
  }

  private var documentation: URL {
    URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appending(path: "deploy/README.md")
  }

  @Test func theLiveViewGetsEverything() async throws {
    let server = try configuredServer { $0.cluster = { picture() } }
    try await server.application().test(.router) { client in
      _ = try await post(chat, hello + "}", to: client)
      let response = try await get("/cluster", client)
      #expect(response.headers[.cacheControl] == "no-store")
      let object = try parse(String(buffer: response.body))
      #expect(object["model"] as? String == "demo")
      let cluster = try #require(object["cluster"] as? [String: Any])
      let workers = try #require(cluster["workers"] as? [[String: Any]])
      #expect(workers.map { $0["state"] as? String } == ["ready", "lost"])
      #expect(workers[1]["lostReason"] as? String == "silent")
      let layer = try #require((cluster["layers"] as? [[String: Any]])?.first)
      #expect(layer["uses"] as? [Int] == [3, 0, 1, 4])
      #expect(layer["holders"] as? [[Int]] == [[0], [1, 0]])
      let produced = (object["tokens"] as? [String: Any])?["output"] as? Int
      #expect(produced == tokens("Nice to meet you.").count)
      #expect((object["latency"] as? [String: Any])?["firstToken"] != nil)
    }
  }

  @Test func aModelWithoutExpertsHasNoCluster() async throws {
    try await configuredServer().application().test(.router) { client in
      let object = try parse(String(buffer: try await get("/cluster", client).body))
      #expect(object["cluster"] == nil)
    }
  }
}

@Suite struct FigureTests {
  @Test func bucketsHoldWhatIsNotLonger() {
    var histogram = BucketHistogram(bounds: [1, 2, 4])
    for seconds in [0.5, 1, 1.5, 4, 5] { histogram.record(.seconds(seconds)) }
    #expect(histogram.counts == [2, 1, 1, 1])
    #expect(histogram.sum == 12 && histogram.count == 5)
    #expect(histogram.quantile(0.4) == 1)
    #expect(histogram.quantile(0.5) == 1.5)
    #expect(histogram.quantile(1) == 4)
    #expect(BucketHistogram(bounds: [1]).quantile(0.5) == nil)
  }

  @Test func ratesAreOfTheLastSeconds() {
    var rate = RateWindow()
    for second in 0..<20 { rate.add(30, at: .seconds(second)) }
    #expect(rate.perSecond(at: .seconds(20)) == 30)
    #expect(rate.perSecond(at: .seconds(25)) == 15)
    #expect(rate.perSecond(at: .seconds(40)) == 0)
    #expect(rate.perSecond(at: .seconds(100_000)) == 0)
    rate.add(10, at: .seconds(100_000))
    #expect(rate.perSecond(at: .seconds(100_001)) == 1)
  }

  @Test func aServerThatIsYoungHasARate() {
    var rate = RateWindow()
    rate.add(8, at: .milliseconds(100))
    #expect(rate.perSecond(at: .seconds(2)) == 4)
  }
}

@Suite(.timeLimit(.minutes(10))) struct PageTests {
  private var folder: URL {
    URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appending(path: "Sources/Serving/Page")
  }

  @Test func thePageIsServedUnderAStrictPolicy() async throws {
    let page = try #require(PageFiles(folder: folder.path))
    try await configuredServer { $0.page = page }.application().test(.router) { client in
      let response = try await get("/", client)
      #expect(response.status == .ok)
      #expect(response.headers[.contentType] == "text/html; charset=utf-8")
      #expect(response.headers[.xContentTypeOptions] == "nosniff")
      let policy = try #require(response.headers[.contentSecurityPolicy])
      #expect(policy.contains("default-src 'none'") && !policy.contains("unsafe"))
      let text = String(buffer: response.body)
      for match in text.matches(of: /(?:href|src)="(\/[^"#]*)"/) {
        let file = try await get(String(match.1), client)
        #expect(file.status == .ok, "\(match.1)")
      }
      let script = try await get("/page/app.js", client)
      #expect(script.headers[.contentType]?.contains("javascript") == true)
    }
  }

  @Test func thePageAsksNoOtherServerAndRunsNoText() throws {
    for name in try FileManager.default.contentsOfDirectory(atPath: folder.path) {
      let text = try String(contentsOf: folder.appending(path: name), encoding: .utf8)
      for word in [
        "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function",
        "localStorage",
      ] {
        #expect(!text.contains(word), "\(name) uses \(word)")
      }
      for match in text.matches(of: /https?:\/\/[A-Za-z0-9.]+/) {
        #expect(match.0 == "http://www.w3.org", "\(name) names \(match.0)")
      }
      #expect(!text.contains(#/[ ]on[a-z]+="/#), "\(name) has code in an attribute")
      #expect(!text.contains(#/[ ]style="/#), "\(name) has a style in an attribute")
    }
  }

  @Test func withoutItsFilesThereIsNoPage() async throws {
    #expect(PageFiles(folder: "/no-such-folder") == nil)
    try await configuredServer().application().test(.router) { client in
      let response = try await get("/", client)
      #expect(response.status == .notFound)
    }
  }
}
