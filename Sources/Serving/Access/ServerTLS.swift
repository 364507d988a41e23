import Foundation
import HummingbirdCore
import HummingbirdTLS
import NIOSSL

/// The certificate with which a server proves who it is.
public struct ServerTLS: Sendable {
  let configuration: TLSConfiguration

  /// Reads PEM files and checks that they fit each other.
  ///
  /// - Parameters:
  ///   - certificateFile: The certificate, then those that vouch for it.
  ///   - keyFile: The certificate's private key, not encrypted.
  /// - Throws: `TLSFileError` that names the file.
  public init(certificateFile: String, keyFile: String) throws(TLSFileError) {
    let chain: [NIOSSLCertificate]
    do {
      chain = try NIOSSLCertificate.fromPEMFile(certificateFile)
    } catch {
      throw TLSFileError("\(certificateFile): no certificate in PEM format can be read")
    }
    guard !chain.isEmpty else {
      throw TLSFileError("\(certificateFile): no certificate in PEM format can be read")
    }
    let key: NIOSSLPrivateKey
    do {
      key = try NIOSSLPrivateKey(file: keyFile, format: .pem)
    } catch {
      throw TLSFileError("\(keyFile): no private key in PEM format can be read")
    }
    var configuration = TLSConfiguration.makeServerConfiguration(
      certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
    configuration.minimumTLSVersion = .tlsv12
    configuration.applicationProtocols = ["http/1.1"]
    do {
      _ = try NIOSSLContext(configuration: configuration)
    } catch {
      throw TLSFileError("\(keyFile) is not the key of the certificate in \(certificateFile)")
    }
    self.configuration = configuration
  }
}

extension HTTPServerBuilder {
  /// The same server behind TLS; unchanged without.
  func secured(by tls: ServerTLS?) -> HTTPServerBuilder {
    guard let tls else { return self }
    do {
      return try .tls(self, tlsConfiguration: tls.configuration)
    } catch {
      // Never without TLS instead: the configuration was tried when it was read.
      preconditionFailure("TLS that was accepted is refused: \(error)")
    }
  }
}

/// What is wrong with the files for TLS, in one line.
public struct TLSFileError: Error, Equatable, CustomStringConvertible, Sendable {
  /// The line.
  public let description: String

  init(_ description: String) { self.description = description }
}
