import Hummingbird

/// `GET /v1/requests/{id}`: the rest of a stream that was dropped.
struct RequestRoutes: RouteFamily {
  let server: ChatServer

  func add(to router: Router<ServingContext>) {
    router.get("v1/requests/:id") { request, context in
      let id = context.parameters.get("id") ?? ""
      let position = try position(of: request, id)
      // A stream that is asked for by GET costs as much as one that is posted.
      if let refusal = context.caller.account?.admit(at: ServerTime.now) { throw refusal.error }
      return try server.resume(id, after: position, context)
    }
  }

  /// What has been read: `from`, else `Last-Event-ID`, else nothing.
  private func position(of request: Request, _ id: String) throws(APIError) -> StreamPosition {
    if let text = request.uri.queryParameters["from"] {
      guard let position = StreamPosition(text) else {
        throw .invalid(
          "from must be the number of events read, one per answer, as 12 or 5.7", param: "from")
      }
      return position
    }
    if let last = try server.lastEvent(of: request), last.stream == id { return last.position }
    return StreamPosition(choices: server.archive.answerCount(of: id))
  }
}
