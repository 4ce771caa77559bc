/// One instrument of a graph. Prices count 10^-priceDigits of the quote currency, quantities
/// 10^-quantityDigits of the instrument; `tickSize` and `lotSize` are in those scales.
public struct Instrument: Sendable, Equatable, Codable {
  public var symbol: String
  public var base: String
  public var quote: String
  public var priceDigits: UInt32
  public var quantityDigits: UInt32
  public var tickSize: Int64
  public var lotSize: Int64
  /// Units of base for a quantity of 1.
  public var contractUnits: Int64
  public var session: String

  public init(
    symbol: String, base: String, quote: String, priceDigits: UInt32, quantityDigits: UInt32,
    tickSize: Int64 = 1, lotSize: Int64 = 1, contractUnits: Int64 = 1, session: String = ""
  ) {
    self.symbol = symbol
    self.base = base
    self.quote = quote
    self.priceDigits = priceDigits
    self.quantityDigits = quantityDigits
    self.tickSize = tickSize
    self.lotSize = lotSize
    self.contractUnits = contractUnits
    self.session = session
  }
}

/// A currency and how many digits its cash has.
public struct Currency: Sendable, Equatable, Codable {
  public var code: String
  public var digits: UInt32
  public init(code: String, digits: UInt32) {
    self.code = code
    self.digits = digits
  }

  /// The digits of ISO 4217, 8 for the usual crypto currencies, 2 for anything else.
  public static func standardDigits(_ code: String) -> UInt32 {
    switch code {
    case "JPY", "KRW", "CLP", "VND", "ISK", "HUF": return 0
    case "BHD", "KWD", "OMR", "JOD", "TND": return 3
    case "BTC", "ETH", "XBT", "SOL", "LTC", "USDT", "USDC": return 8
    default: return 2
    }
  }
}
