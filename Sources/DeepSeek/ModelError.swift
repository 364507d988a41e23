/// What is wrong with a model's settings or tensors, or with a step asked of it.
///
/// The description is one line: file, place, what is wrong, remedy.
public enum ModelError: Error, Equatable, CustomStringConvertible {
  /// The file describes an architecture that this target does not compute.
  case unsupportedArchitecture(file: String, name: String)
  /// A required setting is absent.
  case missingSetting(file: String, key: String)
  /// A setting has a type or a value that no model of the family has.
  case badSetting(file: String, key: String, problem: String)
  /// A tensor that the settings require is absent.
  case missingTensor(file: String, name: String)
  /// A tensor has another shape than the settings require.
  case badShape(file: String, name: String, shape: [Int], expected: [Int])
  /// A tensor has an element format that cannot be used in its place.
  case badFormat(file: String, name: String, problem: String)
  /// A tensor means a model that would be computed wrongly.
  case unsupportedTensor(file: String, name: String)
  /// A vocabulary-only file was asked for a forward pass.
  case vocabularyOnly(file: String)
  /// A sequence would outgrow its cache.
  case cacheFull(capacity: Int)
  /// The pool of keys and values has fewer free pages than a sequence needs.
  case outOfPages(needed: Int, free: Int)
  /// Address space for a cache or a workspace could not be reserved.
  case outOfMemory(purpose: String, byteCount: Int)
  /// A row of a step names a token that the vocabulary does not have.
  case badToken(token: Int, vocabularySize: Int)

  /// One line: what, where, and what to do.
  public var description: String {
    switch self {
    case .unsupportedArchitecture(let file, let name):
      "\(file): architecture \(name) is not supported; use a DeepSeek V2, V3 or Llama model file"
    case .missingSetting(let file, let key):
      "\(file): \(key) is missing; convert the model again with a current converter"
    case .badSetting(let file, let key, let problem):
      "\(file): \(key) \(problem)"
    case .missingTensor(let file, let name):
      "\(file): tensor \(name) is missing; the file is incomplete, download or convert it again"
    case .badShape(let file, let name, let shape, let expected):
      "\(file): tensor \(name) has shape \(shape), expected \(expected); convert the model again"
    case .badFormat(let file, let name, let problem):
      "\(file): tensor \(name) \(problem)"
    case .unsupportedTensor(let file, let name):
      "\(file): tensor \(name) belongs to a kind of model that is not supported; "
        + "use a DeepSeek V2, V3 or Llama model file"
    case .vocabularyOnly(let file):
      "\(file): the file holds a vocabulary and no weights; give a complete model file"
    case .cacheFull(let capacity):
      "the sequence needs more than the \(capacity) positions reserved for it; raise the context"
    case .outOfPages(let needed, let free):
      "the cache of keys and values has \(free) free pages where \(needed) are needed; "
        + "raise its memory, or run fewer or shorter sequences"
    case .outOfMemory(let purpose, let byteCount):
      "no memory for \(purpose) (\(byteCount) bytes); lower the context or the number of sequences"
    case .badToken(let token, let vocabularySize):
      "token \(token) is not in the vocabulary of \(vocabularySize)"
    }
  }
}
