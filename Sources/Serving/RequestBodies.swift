package import ModelFiles
import Inference

/// The bodies of the answering routes, for tests of what they make of any JSON.
package enum RequestBodies {
  /// Reads a value as each route would, as far as that needs no model.
  ///
  /// - Returns: How many routes take it.
  @discardableResult
  package static func read(_ value: JSONValue) -> Int {
    let defaults = SamplingParameters()
    let results = [
      (try? ChatCompletionsBody(value, defaults: defaults)) != nil,
      (try? CompletionsBody(value, defaults: defaults)) != nil,
      (try? ResponsesBody(value, defaults: defaults)) != nil,
    ]
    return results.count { $0 }
  }
}
