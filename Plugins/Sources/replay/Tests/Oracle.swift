import Foundation

/// The C library's own reading of a number.
func strtodOracle(_ text: String) -> Double { strtod(text, nil) }
