import CommandSettings
import Constraints
import Foundation
import LinkEmulation
import ModelFiles
import Serving
import Transport

/// Parsers of texts.
enum TextTargets {
  /// What is read is written and read again, to the same.
  static func json(_ bytes: [UInt8]) {
    guard let value = try? JSONValue(parsing: bytes) else { return }
    var text = JSONText()
    text.write(value)
    mustHold((try? JSONValue(parsing: text.bytes)) == value, "a JSON value changed on the way")
  }

  static func requestBody(_ bytes: [UInt8]) {
    guard let value = try? JSONValue(parsing: bytes) else { return }
    RequestBodies.read(value)
  }

  static func schema(_ bytes: [UInt8]) {
    guard let value = try? JSONValue(parsing: bytes) else { return }
    _ = try? Grammar(.json(schema: value))
  }

  static func pattern(_ bytes: [UInt8]) {
    let pattern = JSONValue.string(String(decoding: bytes, as: UTF8.self))
    _ = try? Grammar(.json(schema: ["pattern": pattern]))
    _ = try? Grammar(.json(schema: ["pattern": pattern, "minLength": 2, "maxLength": 9]))
  }

  static func configurationFile(_ bytes: [UInt8]) {
    let text = String(decoding: bytes, as: UTF8.self)
    let settings = SettingsFile(
      isFlag: [
        "model": false, "http": false, "no-page": true, "allow-host": false, "workers": false,
        "listen": false,
      ], command: "serve")
    guard let arguments = try? settings.arguments(in: text, path: "serve.yaml") else { return }
    mustHold(arguments.allSatisfy { $0.hasPrefix("--") }, "a setting became something else")
  }

  static func keyFile(_ bytes: [UInt8]) {
    let text = String(decoding: bytes, as: UTF8.self)
    _ = try? KeyPairFile.parse(text, path: "machine.key")
    guard let list = try? AllowListFile(parsing: text, path: "workers.allow") else { return }
    mustHold(Set(list.entries.map(\.key)).count == list.entries.count, "a key is there twice")
    mustHold(Set(list.entries.map(\.name)).count == list.entries.count, "a name is there twice")
  }

  /// What is due is taken, for as long as one looks.
  static func linkScript(_ bytes: [UInt8]) {
    guard var script = try? LinkScript(String(decoding: bytes, as: UTF8.self)) else { return }
    for _ in 0..<20 {
      guard let time = script.nextTime else { break }
      mustHold(!script.takeDue(at: time).isEmpty, "what is due was not taken")
    }
  }

  static func apiKeyFile(_ bytes: [UInt8]) {
    guard let keys = try? KeyFile.parse(String(decoding: bytes, as: UTF8.self), path: "keys") else {
      return
    }
    mustHold(Set(keys.map(\.name)).count == keys.count, "a name is there twice")
  }
}
