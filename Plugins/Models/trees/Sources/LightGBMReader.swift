import GantrySDK

/// Reads what LightGBM's `save_model` writes: text of lines `key=value`, first of the model, then of
/// each tree, up to `end of trees`. What follows there says nothing about predictions.
struct LightGBMReader {
  private var lines: LineReader
  private var model = TreeModel(.lightgbm)
  private var tree = LightGBMTree()
  private var treesPerRound = 1
  private var declaredTrees = -1

  init(_ bytes: UnsafeRawBufferPointer, file: Text) { lines = LineReader(bytes, file: file) }

  mutating func read() throws(Failure) -> TreeModel {
    _ = lines.next()  // "tree", by which the format was known
    try readHead()
    while lines.begins(with: "Tree=") {
      let line = lines.line
      try tree.read(&lines, number: model.trees.count)
      try tree.append(to: &model, lines, line: line)
    }
    guard lines.begins(with: "end of trees") else {
      throw lines.failure(lines.line, "expected \"Tree=\(model.trees.count)\" or \"end of trees\"; the file is cut off or damaged, so write it again")
    }
    try finish()
    return model
  }

  private mutating func readHead() throws(Failure) {
    var hasFeatures = false
    while lines.next() {
      if lines.begins(with: "Tree=") || lines.begins(with: "end of trees") { break }
      if lines.begins(with: "average_output") {
        model.isAveraged = true
      } else if let value = lines.value(of: "version") {
        try readVersion(value)
      } else if let value = lines.value(of: "num_class") {
        model.outputCount = try lines.count(value, "num_class", 1...65_535)
      } else if let value = lines.value(of: "num_tree_per_iteration") {
        treesPerRound = try lines.count(value, "num_tree_per_iteration", 1...65_535)
      } else if let value = lines.value(of: "max_feature_idx") {
        hasFeatures = true
        model.featureCount = try lines.count(value, "max_feature_idx", 0...1 << 20) + 1
      } else if let value = lines.value(of: "feature_names") {
        for word in lines.words(value) {
          guard isUTF8(word.bytes) else { throw lines.failure(lines.line, "a feature's name is not UTF-8") }
          model.featureNames.append(word)
        }
      } else if let value = lines.value(of: "objective") {
        try readObjective(lines.words(value))
      } else if let value = lines.value(of: "tree_sizes") {
        declaredTrees = lines.words(value).count
      }
    }
    if lines.isAtEnd { throw lines.failure(lines.line, "the file ends before its first tree; it is cut off, so write it again") }
    guard hasFeatures else { throw lines.failure(lines.line, "max_feature_idx is missing, so this is no model that LightGBM's save_model wrote") }
    guard model.featureNames.count == model.featureCount else {
      throw lines.failure(lines.line, "\(model.featureCount) features (max_feature_idx + 1), but \(model.featureNames.count) feature_names")
    }
    guard model.outputCount == treesPerRound || model.outputCount == 1 else {
      throw lines.failure(lines.line, "num_class is \(model.outputCount), but num_tree_per_iteration is \(treesPerRound)")
    }
    model.outputCount = treesPerRound
  }

  private mutating func readVersion(_ value: UnsafeRawBufferPointer) throws(Failure) {
    guard value.count > 1, value[0] == 118, let number = NumberText.count(Text(bytes: [UInt8](value.dropFirst())), maximum: 1_000) else {
      throw lines.failure(lines.line, "the version is \"\(shortened(Text(bytes: [UInt8](value))))\"; it must be like v4")
    }
    model.version = [number]
    if number < 2 { throw lines.failure(lines.line, "the format v\(number) is too old; write the model again with LightGBM 2.1 or later") }
    if number > 4 { model.uncovered = "LightGBM's format v\(number) (it knows v2 to v4)" }
  }

  /// `binary sigmoid:1`, `multiclass num_class:3`, `regression sqrt` ...
  private mutating func readObjective(_ words: [Text]) throws(Failure) {
    guard let name = words.first else { return }
    var scale = 1.0
    var isSquareRoot = false
    for word in words.dropFirst() {
      if word == "sqrt" { isSquareRoot = true }
      if word.bytes.count > 8, Text(bytes: [UInt8](word.bytes[0..<8])) == "sigmoid:" {
        guard let number = NumberText.parse(Text(bytes: [UInt8](word.bytes[8...]))), number.isFinite, number > 0 else {
          throw lines.failure(lines.line, "the objective's sigmoid is no number above 0")
        }
        scale = number
      }
    }
    if name == "binary" {
      model.objective = .logistic(scale: scale)
    } else if name == "cross_entropy" || name == "xentropy" {
      model.objective = .logistic(scale: 1)
    } else if name == "multiclass" || name == "softmax" {
      model.objective = .softmax
    } else if name == "multiclassova" || name == "ova" || name == "multiclass_ova" {
      model.objective = .logistics(scale: scale)
    } else if name == "poisson" || name == "gamma" || name == "tweedie" {
      model.objective = .exponential
    } else if name == "cross_entropy_lambda" || name == "xentlambda" {
      model.objective = .logOnePlusExponential
    } else {
      let known: [Text] = [
        "regression", "regression_l1", "regression_l2", "l1", "l2", "mean_absolute_error", "mean_squared_error", "rmse", "mse", "mae", "huber", "fair",
        "quantile", "mape", "lambdarank", "rank_xendcg", "custom", "none", "null",
      ]
      if !known.contains(name) {
        model.uncovered = "the objective \"\(shortened(name))\""
        model.isRawSumKnown = false
      }
      if isSquareRoot { model.objective = .signedSquare }
    }
  }

  private mutating func finish() throws(Failure) {
    let count = model.trees.count
    if declaredTrees >= 0, declaredTrees != count { throw lines.failure(lines.line, "tree_sizes lists \(declaredTrees) trees, but there are \(count)") }
    guard count % treesPerRound == 0 else { throw lines.failure(lines.line, "\(count) trees do not make whole rounds of \(treesPerRound)") }
    for index in 0..<count { model.trees[index].output = index % treesPerRound }
    var end = treesPerRound
    while end <= count {
      model.iterationEnds.append(end)
      end += treesPerRound
    }
    model.base = []
    for _ in 0..<model.outputCount { model.base.append(0) }
    if tree.isLinear { model.uncovered = "linear trees (linear_tree)" }
  }
}
