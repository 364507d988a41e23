import Foundation
import HTTPTypes
import Hummingbird
import Inference
import ModelFiles

/// A refusal in the shape that OpenAI clients understand.
struct APIError: Error, Equatable {
  let status: HTTPResponse.Status
  let message: String
  let type: String
  let param: String?
  let code: String?
  var retryAfterSeconds: Int?

  /// The request itself is wrong; `param` names the field.
  static func invalid(
    _ message: String, param: String? = nil, code: String? = nil,
    status: HTTPResponse.Status = .badRequest
  ) -> APIError {
    APIError(
      status: status, message: message, type: "invalid_request_error", param: param, code: code)
  }

  /// The body has more bytes than are taken.
  static func tooLong(_ maximumByteCount: Int) -> APIError {
    .invalid(
      "the request body has more than \(maximumByteCount) bytes", status: .contentTooLarge)
  }

  /// Nobody waits for the answer any more; for the log, under the number that nginx has for it.
  static let clientGone = APIError.invalid(
    "the client has gone", code: "client_gone", status: HTTPResponse.Status(code: 499))

  /// The request may be right, but cannot be answered now.
  static func unavailable(
    _ message: String, status: HTTPResponse.Status = .serviceUnavailable,
    type: String = "server_error", code: String? = nil, retryAfterSeconds: Int? = nil
  ) -> APIError {
    APIError(
      status: status, message: message, type: type, param: nil, code: code,
      retryAfterSeconds: retryAfterSeconds)
  }
}

extension APIError {
  /// What an error of the engine means to a client.
  init(_ error: InferenceError) {
    let message = "\(error)"
    self =
      switch error {
      case .invalidSampling(let name, _): .invalid(message, param: name.rawValue)
      case .emptyPrompt, .unknownToken: .invalid(message, param: "prompt")
      case .invalidMaxTokens: .invalid(message, param: "max_tokens")
      case .invalidField(let name, _): .invalid(message, param: name)
      case .duplicateID: .invalid(message, param: "id", code: "duplicate_id", status: .conflict)
      case .constraintFailed: .invalid(message, param: "response_format")
      case .cacheTooSmall, .cacheFull:
        .invalid(message, param: nil, code: "context_length_exceeded")
      case .deadlineExceeded:
        .unavailable(message, status: .gatewayTimeout, code: "deadline_exceeded")
      case .journalFailed, .storeFailed:
        .unavailable(message, code: "journal_failed", retryAfterSeconds: 30)
      case .contextExceeded: .invalid(message, param: nil, code: "context_length_exceeded")
      case .queueFull:
        .unavailable(
          message, status: .tooManyRequests, code: "queue_full", retryAfterSeconds: 1)
      case .shuttingDown: .unavailable(message, code: "shutting_down", retryAfterSeconds: 5)
      case .stepFailed: .unavailable(message, code: "step_failed", retryAfterSeconds: 5)
      case .unusableLogits, .unusableWindows:
        .unavailable(message, status: .internalServerError)
      }
  }

  /// There is no such route; clients often have a base URL without its end.
  static func nothing(at path: String) -> APIError {
    let completed = "/v1" + path
    let isCutOff = [
      ChatRoutes.path, CompletionRoutes.path, ResponseRoutes.path, ModelRoutes.path,
    ].contains(completed)
    return .invalid(
      "there is nothing at \(path.prefix(80)); "
        + (isCutOff
          ? "the base URL of this API ends in /v1: ask \(completed)"
          : "GET /openapi.json lists what there is"),
      code: "not_found", status: .notFound)
  }

  /// What any error that a route throws means to a client; details of unknown ones stay inside.
  init(any error: any Error) {
    switch error {
    case let error as APIError: self = error
    case let error as InferenceError: self.init(error)
    case let error as HTTPError where error.status == .methodNotAllowed:
      self = .invalid(
        "this address does not take that method", code: "method_not_allowed",
        status: .methodNotAllowed)
    case let error as HTTPError:
      self = .invalid(error.body ?? error.status.reasonPhrase, status: error.status)
    default: self = .unavailable("internal error", status: .internalServerError)
    }
  }

  /// `{"error": {…}}`, the body of the response and the data of a last event.
  var body: ErrorBody {
    ErrorBody(error: .init(message: message, type: type, param: param, code: code))
  }

  /// The same as a value.
  var json: JSONValue {
    [
      "error": [
        "message": .string(message), "type": .string(type),
        "param": param.map { .string($0) } ?? .null, "code": code.map { .string($0) } ?? .null,
      ]
    ]
  }

  var response: Response {
    var response = Response.json(body, status: status)
    if let seconds = retryAfterSeconds { response.headers[.retryAfter] = "\(seconds)" }
    return response
  }
}

/// The JSON form of an error; absent members are null.
struct ErrorBody: Encodable {
  struct Details: Encodable {
    let message: String
    let type: String
    let param: String?
    let code: String?

    private enum CodingKeys: String, CodingKey { case message, type, param, code }

    func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(message, forKey: .message)
      try container.encode(type, forKey: .type)
      try container.encode(param, forKey: .param)
      try container.encode(code, forKey: .code)
    }
  }

  let error: Details
}
