import Experts
import Messages
import ModelFiles
import Synchronization

/// The experts of a worker between two coordinators, so that the next one need not wait for loading.
final class HeldExperts: @unchecked Sendable {  // the bank is here only while no thread uses it
  private let lock = Mutex(())
  private var bank: ExpertBank?
  private var model: ModelDigest?
  private var highest = Epoch(rawValue: 0)

  /// The highest epoch that was followed, under any coordinator.
  var highestEpoch: Epoch { lock.withLock { _ in highest } }

  /// An epoch is followed.
  func follow(_ epoch: Epoch) { lock.withLock { _ in highest = max(highest, epoch) } }

  /// Takes over a bank that nobody uses any more.
  func keep(_ bank: ExpertBank, of model: ModelDigest) {
    lock.withLock { _ in
      self.bank = bank
      self.model = model
    }
  }

  /// Gives the bank away if it is of this model; what else is held is let go in any case.
  func take(model: ModelDigest, geometry: ExpertGeometry) -> ExpertBank? {
    lock.withLock { _ in
      defer {
        self.bank = nil
        self.model = nil
      }
      guard self.model == model, let bank, bank.geometry == geometry else { return nil }
      return bank
    }
  }
}
