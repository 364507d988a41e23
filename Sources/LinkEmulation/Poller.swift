import CLinux
import Glibc
import Telemetry

/// Waits for descriptors and for moments: epoll, and a timer that the kernel does not round.
///
/// Timeouts of `poll` and of sleeping threads may be 50 µs late by default; those of timerfd are
/// not. What is left is the time that a processor takes to wake up. It is learned; the timer is set
/// so much earlier, and the rest is spun away.
final class Poller {
  /// What can be done with a descriptor.
  struct Interest: OptionSet {
    let rawValue: UInt32
    static let read = Interest(rawValue: EPOLLIN.rawValue)
    static let write = Interest(rawValue: EPOLLOUT.rawValue)
    static let failure = Interest(rawValue: EPOLLERR.rawValue | EPOLLHUP.rawValue)
  }

  /// A descriptor, by its key, and what can be done with it.
  struct Ready {
    let key: UInt64
    let interest: Interest
  }

  private static let timerKey = UInt64.max
  private static let wakeKey = UInt64.max - 1
  private static let longestLead: UInt64 = 100_000
  private let poll: Int32
  private let timer: Int32
  private let bell: WakeUpBell
  private var wakeUpTime: UInt64 = 20_000  // nanoseconds, learned

  init(bell: WakeUpBell) {
    self.bell = bell
    poll = epoll_create1(Int32(EPOLL_CLOEXEC))
    let flags = Int32(TFD_CLOEXEC | TFD_NONBLOCK)
    timer = timerfd_create(CLOCK_MONOTONIC, flags)
    add(timer, .read, key: Self.timerKey)
    add(bell.descriptor, .read, key: Self.wakeKey)
  }

  deinit {
    close(timer)
    close(poll)
  }

  /// Watches a descriptor; `key` tells it from others.
  func add(_ descriptor: Int32, _ interest: Interest, key: UInt64) {
    control(EPOLL_CTL_ADD, descriptor, interest, key: key)
  }

  /// Changes what is of interest; when nothing is, the end of a connection is not told either.
  func change(_ descriptor: Int32, from old: Interest, to new: Interest, key: UInt64) {
    guard old != new else { return }
    let call = old.isEmpty ? EPOLL_CTL_ADD : new.isEmpty ? EPOLL_CTL_DEL : EPOLL_CTL_MOD
    control(call, descriptor, new, key: key)
  }

  private func control(_ call: Int32, _ descriptor: Int32, _ interest: Interest, key: UInt64) {
    var event = unsafe epoll_event()
    unsafe event.events = interest.rawValue
    unsafe event.data.u64 = key
    unsafe epoll_ctl(poll, call, descriptor, &event)
  }

  /// Waits until something can be done, somebody rings, or a moment of the monotonic clock comes.
  func wait(until deadline: UInt64?) -> [Ready] {
    let alarm = deadline.map { max($0 - min($0, wakeUpTime), 1) }
    arm(alarm ?? 0)
    var events = unsafe [epoll_event](repeating: epoll_event(), count: 32)
    let count = unsafe epoll_wait(poll, &events, 32, -1)
    var ready: [Ready] = []
    for index in 0..<max(0, Int(count)) {
      let key = unsafe events[index].data.u64
      switch key {
      case Self.timerKey: break
      case Self.wakeKey: bell.silence()
      default:
        unsafe ready.append(Ready(key: key, interest: Interest(rawValue: events[index].events)))
      }
    }
    if count == 1, ready.isEmpty, let alarm, let deadline { spin(until: deadline, alarm) }
    return ready
  }

  /// Learns how late the timer was, and spins until the moment.
  private func spin(until deadline: UInt64, _ alarm: UInt64) {
    var now = MonotonicTime.nanoseconds
    guard now >= alarm else { return }  // somebody rang
    let late = min(now - alarm, Self.longestLead)
    wakeUpTime = (wakeUpTime * 15 + late + late / 4) / 16
    while now < deadline { now = MonotonicTime.nanoseconds }
  }

  /// Sets the timer; 0 is never.
  private func arm(_ time: UInt64) {
    var value = itimerspec()
    value.it_value = timespec(
      tv_sec: Int(time / 1_000_000_000), tv_nsec: Int(time % 1_000_000_000))
    unsafe timerfd_settime(timer, Int32(TFD_TIMER_ABSTIME), &value, nil)
  }
}

/// Ends another thread's wait.
final class WakeUpBell: Sendable {
  /// Readable while it rings.
  let descriptor = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))

  deinit { close(descriptor) }

  /// Rings, from any thread.
  func ring() { eventfd_write(descriptor, 1) }

  /// Ends the ringing.
  func silence() {
    var count: eventfd_t = 0
    unsafe eventfd_read(descriptor, &count)
  }
}
