/// The functions of libm whose last bit differs between machines: with and without FMA, and between
/// versions of the library. sqrt, fma, floor, ceil, rint, fmod and the like are exact everywhere
/// (IEEE 754) and allowed.
enum LibmImports {
  static let inexact: Set<String> = {
    let names = [
      "exp", "exp2", "exp10", "expm1", "log", "log2", "log10", "log1p", "pow", "sin", "cos", "tan", "sincos", "asin", "acos", "atan",
      "atan2", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "cbrt", "hypot", "erf", "erfc", "tgamma", "lgamma", "gamma", "j0",
      "j1", "jn", "y0", "y1", "yn",
    ]
    return Set(names.flatMap { [$0, $0 + "f", $0 + "l", "__" + $0 + "_finite"] })
  }()

  static func found(in file: ElfFile) -> [String] { file.imports.filter { inexact.contains($0) }.sorted() }
}
