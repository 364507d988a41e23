/// e to the power of `x` for x ≤ 0, the same bits on every machine; 0 below about -708.
///
/// The C library's `exp` differs between versions, and a draw must not: so this one uses additions
/// and multiplications only, in a fixed order. Relative error below 1e-15.
@inline(__always)
package func exponential(_ x: Double) -> Double {
  let bounded = x > -708 ? x : -708
  let shift = 0x1.8p52  // adding it rounds to an integer and leaves that in the lowest bits
  let shifted = bounded * 0x1.71547652b82fep0 + shift
  let power = shifted - shift
  let high = bounded - power * 0x1.62e42feep-1  // 0x1.62e42feep-1 + 0x1.a39ef35793c76p-33 = ln 2
  let rest = high - power * 0x1.a39ef35793c76p-33
  var sum = 0x1.6124613a86d09p-33  // 1/13!
  sum = sum * rest + 0x1.1eed8eff8d898p-29  // 1/12!
  sum = sum * rest + 0x1.ae64567f544e4p-26
  sum = sum * rest + 0x1.27e4fb7789f5cp-22
  sum = sum * rest + 0x1.71de3a556c734p-19
  sum = sum * rest + 0x1.a01a01a01a01ap-16
  sum = sum * rest + 0x1.a01a01a01a01ap-13
  sum = sum * rest + 0x1.6c16c16c16c17p-10
  sum = sum * rest + 0x1.1111111111111p-7
  sum = sum * rest + 0x1.5555555555555p-5
  sum = sum * rest + 0x1.5555555555555p-3
  sum = sum * rest + 0.5
  sum = sum * rest + 1
  sum = sum * rest + 1
  let scale = Double(bitPattern: (shifted.bitPattern &+ 1023) << 52)
  return x > -708 ? sum * scale : 0
}
