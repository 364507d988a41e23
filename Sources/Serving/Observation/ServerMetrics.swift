import Foundation
import Inference

/// The answer to `GET /metrics`.
///
/// `deploy/README.md` says what each metric means.
struct ServerMetrics {
  private var metrics = MetricsText()

  /// The text of now.
  static func text(of server: ChatServer) -> String {
    var collector = ServerMetrics()
    let figures = server.figures.snapshot()
    collector.addServer(server)
    collector.addHTTP(figures)
    collector.addGenerations(figures)
    collector.addEngine(server.engineFigures)
    if let keys = server.options.keys { collector.addKeys(keys.accounts, figures) }
    if let cluster = server.options.cluster?() {
      collector.addWorkers(cluster.workers)
      collector.addMessages(cluster)
      collector.addTime(cluster.time)
    }
    return collector.metrics.text
  }

  private mutating func addServer(_ server: ChatServer) {
    metrics.add(
      "conclave_info", .gauge, "Always 1; which program serves which model.",
      [
        (
          [
            ("version", server.options.version), ("model", server.options.modelName),
            ("fingerprint", server.options.fingerprint ?? ""),
          ], 1
        )
      ])
    metrics.add(
      "conclave_start_time_seconds", .gauge, "When the server started, in seconds since 1970.",
      server.startedAt.timeIntervalSince1970)
  }

  private mutating func addHTTP(_ figures: ServerFigures.Snapshot) {
    let responses = figures.responses.sorted {
      ($0.key.route, $0.key.method, $0.key.status) < ($1.key.route, $1.key.method, $1.key.status)
    }
    metrics.add(
      "conclave_http_responses_total", .counter, "Responses, by route and status.",
      responses.map { key, count in
        (
          [("method", key.method), ("route", key.route), ("status", "\(key.status)")],
          Double(count)
        )
      })
    metrics.add(
      "conclave_http_requests_open", .gauge, "Requests that are being answered.",
      Double(figures.openRequests))
  }

  private mutating func addGenerations(_ figures: ServerFigures.Snapshot) {
    metrics.add(
      "conclave_prompt_tokens_total", .counter, "Tokens of accepted prompts.",
      Double(figures.promptTokens))
    metrics.add(
      "conclave_cached_prompt_tokens_total", .counter,
      "Tokens of prompts whose keys and values were still there.",
      Double(figures.cachedPromptTokens))
    metrics.add(
      "conclave_output_tokens_total", .counter, "Tokens of answers.", Double(figures.outputTokens))
    let reasons: [FinishReason] = [.stop, .length, .cancelled]
    metrics.add(
      "conclave_generations_total", .counter, "Answers that ended, by the reason.",
      reasons.map { ([("reason", $0.rawValue)], Double(figures.finished[$0] ?? 0)) }
        + [([("reason", "failed")], Double(figures.failedGenerations))])
    metrics.add(
      "conclave_time_to_first_token_seconds", "From acceptance to the first token.",
      figures.firstToken)
    metrics.add("conclave_inter_token_seconds", "From token to token.", figures.interToken)
    metrics.add("conclave_generation_seconds", "From acceptance to the end.", figures.generation)
  }

  private mutating func addEngine(_ engine: EngineFigures) {
    metrics.add(
      "conclave_requests_running", .gauge, "Requests in the batch that runs.",
      Double(engine.running))
    metrics.add(
      "conclave_requests_waiting", .gauge, "Requests that wait for their turn.",
      Double(engine.waiting))
    metrics.add(
      "conclave_kv_pages", .gauge,
      "Pages of keys and values: used by requests, by the prefix cache alone, and in all.",
      [
        ([("state", "used")], Double(engine.usedPages)),
        ([("state", "prefix")], Double(engine.prefixPages)),
        ([("state", "total")], Double(engine.totalPages)),
      ])
    metrics.add(
      "conclave_kv_pages_on_disk", .gauge, "Pages of the prefix cache that are on disk.",
      Double(engine.storedPages))
    metrics.add(
      "conclave_kv_pages_loaded_total", .counter, "Pages that came back from disk.",
      Double(engine.loadedPages))
    metrics.add(
      "conclave_kv_page_tokens", .gauge, "Tokens of one page.", Double(engine.pageTokens))
    metrics.add(
      "conclave_preemptions_total", .counter,
      "Requests that gave their pages up and started again later.", Double(engine.preemptions))
    metrics.add(
      "conclave_draft_tokens_total", .counter,
      "Tokens that were drafted and verified beside the next ones, by whether they were right.",
      [
        ([("outcome", "accepted")], Double(engine.acceptedTokens)),
        ([("outcome", "rejected")], Double(engine.draftedTokens - engine.acceptedTokens)),
      ])
    metrics.add(
      "conclave_engine_step_seconds", "Time of a step of the engine.", [([], engine.step)])
    let phases = engine.seconds
    metrics.add(
      "conclave_engine_seconds_total", .counter, "Where the engine's time went.",
      [
        ([("phase", "scheduling")], phases.scheduling), ([("phase", "forward")], phases.forward),
        ([("phase", "sampling")], phases.sampling), ([("phase", "events")], phases.events),
      ])
  }

  private mutating func addKeys(_ accounts: [Account], _ figures: ServerFigures.Snapshot) {
    let used = accounts.map { (labels: [(name: "key", value: $0.name)], usage: $0.usage) }
    metrics.add(
      "conclave_key_requests_total", .counter, "Requests, by key.",
      used.map { ($0.labels, Double($0.usage.requests)) })
    metrics.add(
      "conclave_key_tokens_total", .counter, "Tokens, by key and kind.",
      used.flatMap { labels, usage in
        [
          (labels + [("kind", "prompt")], Double(usage.promptTokens)),
          (labels + [("kind", "output")], Double(usage.outputTokens)),
        ]
      })
    metrics.add(
      "conclave_key_refusals_total", .counter, "Requests beyond the limits of their key.",
      used.map { ($0.labels, Double($0.usage.refusals)) })
    metrics.add(
      "conclave_key_failures_total", .counter, "Requests without a valid key.",
      Double(figures.keyFailures))
  }

  private mutating func addTime(_ time: ClusterPicture.StepTime) {
    metrics.add(
      "conclave_expert_calls_total", .counter, "Calls of experts: one per layer and batch.",
      Double(time.calls))
    metrics.add(
      "conclave_expert_rows_total", .counter, "Token rows in these calls.", Double(time.rows))
    metrics.add(
      "conclave_step_seconds_total", .counter, "Where the time of the steps went.",
      [
        ([("part", "between")], time.betweenSeconds),
        ([("part", "dispatch")], time.dispatchSeconds),
        ([("part", "meanwhile")], time.meanwhileSeconds),
        ([("part", "combine")], time.combineSeconds),
      ])
  }

  private mutating func addMessages(_ cluster: ClusterPicture) {
    guard !cluster.workers.isEmpty else { return }
    metrics.add(
      "conclave_expert_messages_total", .counter, "Messages to workers.",
      Double(cluster.messageCount))
    metrics.add(
      "conclave_expert_hedges_total", .counter,
      "Messages that asked another worker because one was late.", Double(cluster.hedgeCount))
  }

  private mutating func addWorkers(_ workers: [ClusterPicture.Worker]) {
    func values(
      _ value: (ClusterPicture.Worker) -> Double
    ) -> [(labels: MetricsText.Labels, value: Double)] {
      workers.map { (Self.labels($0), value($0)) }
    }
    metrics.add(
      "conclave_worker_ready", .gauge, "1 while the worker answers.",
      values { $0.state.answers ? 1 : 0 })
    metrics.add(
      "conclave_worker_resident_bytes", .gauge, "Bytes of experts that the worker holds.",
      values { Double($0.residentBytes) })
    metrics.add(
      "conclave_worker_memory_bytes", .gauge, "Bytes of experts that the worker may hold.",
      values { Double($0.memoryBudget) })
    metrics.add(
      "conclave_worker_groups", .gauge, "Expert groups that the worker holds.",
      values { Double($0.loadedGroups) })
    func hops(
      _ hop: (ClusterPicture.Link) -> ClusterPicture.Times
    ) -> [(labels: MetricsText.Labels, times: ClusterPicture.Times)] {
      workers.compactMap { worker in worker.link.map { (Self.labels(worker), hop($0)) } }
    }
    metrics.add(
      "conclave_worker_round_trip_seconds", "From dispatch to reply.", hops { $0.roundTrip })
    metrics.add(
      "conclave_worker_network_seconds", "The round trip without the worker's part.",
      hops { $0.network })
    metrics.add(
      "conclave_worker_queue_seconds", "Waiting at the worker.", hops { $0.queue })
    metrics.add("conclave_worker_compute_seconds", "Computing.", hops { $0.compute })
  }

  private static func labels(_ worker: ClusterPicture.Worker) -> MetricsText.Labels {
    [("worker", "\(worker.id)"), ("name", worker.name)]
  }
}
