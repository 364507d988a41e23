import Foundation
import HTTPTypes
import Hummingbird
import ModelFiles

extension Response {
  /// A response with a JSON body.
  static func json(
    _ value: some Encodable, status: HTTPResponse.Status = .ok
  ) -> Response {
    let bytes = jsonBytes(value)
    return Response(
      status: status, headers: [.contentType: "application/json"],
      body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
  }
}

extension Response {
  /// A response with a JSON body.
  static func json(value: JSONValue, status: HTTPResponse.Status = .ok) -> Response {
    var text = JSONText()
    text.write(value)
    return Response(
      status: status, headers: [.contentType: "application/json"],
      body: ResponseBody(byteBuffer: ByteBuffer(bytes: text.bytes)))
  }
}

/// The JSON text of our own values, which always can be encoded.
func jsonBytes(_ value: some Encodable) -> Data {
  let encoder = JSONEncoder()
  encoder.outputFormatting = [.withoutEscapingSlashes, .sortedKeys]
  guard let data = try? encoder.encode(value) else {
    preconditionFailure("a response type that JSON cannot hold: \(type(of: value))")
  }
  return data
}
