import GantrySDK

/// Reads what XGBoost's `save_model` writes (version 1.0 and later), from JSON or UBJSON:
/// https://xgboost.readthedocs.io/en/stable/tutorials/saving_model.html
///
/// Keys that say nothing about predictions are left out whatever they hold, so that a newer XGBoost may
/// add some. What predictions depend on must be there, be whole, and fit together.
struct XGBoostReader<Document: DocumentReader> {
  private var document: Document
  private var model = TreeModel(.xgboost)
  private var tree = XGBoostTree()
  private var hasTrees = false
  private var classCount = 0
  private var targetCount = 1
  private var parallelTrees = 1
  private var declaredTrees = -1
  private var treeInfo: [Int32] = []
  private var weights: [Double] = []
  private var iterationEnds: [Int32] = []
  private var baseScore: Text = "0.5"
  private var objective: Text = ""
  private var booster: Text = ""
  private var treesPlace = 0

  init(_ document: Document) { self.document = document }

  mutating func read() throws(Failure) -> TreeModel {
    try document.beginObject("an XGBoost model")
    var hasLearner = false
    while let key = try document.nextKey() {
      if key == "learner" {
        hasLearner = true
        try readLearner()
      } else if key == "version", try document.nextKind() == .array {
        try document.beginArray("version")
        while try document.nextElement() { model.version.append(try document.integer("version", 0...1_000_000)) }
      } else {
        try refuseForeign(key)
        try document.skip()
      }
    }
    let end = document.lastPosition
    try document.end()
    guard hasLearner else { throw document.failure(end, "the key \"learner\" is missing, so this is no model that XGBoost's save_model wrote") }
    try finish(end)
    return model
  }

  /// Says what other JSON files of models are.
  private func refuseForeign(_ key: Key) throws(Failure) {
    if key == "format" { throw document.failure(key.position, "this is a model of another plugin (linear reads gantry.linear/1); trees reads XGBoost and LightGBM files") }
    if key == "tree_info" || key == "feature_infos" {
      throw document.failure(key.position, "this is LightGBM's dump_model, which is for people; write the model with booster.save_model(\"model.txt\")")
    }
    if key == "oblivious_trees" { throw document.failure(key.position, "this is a CatBoost model; export it to ONNX and use the plugin onnx") }
    if key == "nodeid" { throw document.failure(key.position, "this is XGBoost's dump_model, which is for people; write the model with booster.save_model(\"model.json\")") }
  }

  private mutating func readLearner() throws(Failure) {
    try document.beginObject("learner")
    while let key = try document.nextKey() {
      if key == "feature_names" {
        model.featureNames = []
        try document.beginArray("feature_names")
        while try document.nextElement() { model.featureNames.append(try document.text("a feature's name")) }
      } else if key == "gradient_booster" {
        try readBooster()
      } else if key == "learner_model_param" {
        try readParameters()
      } else if key == "objective" {
        try readNamed("objective") { $0.objective = $1 }
      } else if key == "attributes" {
        try readAttributes()
      } else {
        try document.skip()
      }
    }
  }

  /// An object of which only its `name` matters.
  private mutating func readNamed(_ what: StaticString, _ take: (inout Self, Text) -> Void) throws(Failure) {
    try document.beginObject(what)
    while let key = try document.nextKey() {
      if key == "name" { take(&self, try document.text("name")) } else { try document.skip() }
    }
  }

  private mutating func readParameters() throws(Failure) {
    try document.beginObject("learner_model_param")
    while let key = try document.nextKey() {
      if key == "base_score" {
        baseScore = try document.text("base_score")
      } else if key == "num_class" {
        classCount = try document.countInText("num_class", maximum: 65_535)
      } else if key == "num_feature" {
        model.featureCount = try document.countInText("num_feature", maximum: 1 << 20)
      } else if key == "num_target" {
        targetCount = try document.countInText("num_target", maximum: 65_535)
      } else {
        try document.skip()
      }
    }
  }

  private mutating func readAttributes() throws(Failure) {
    try document.beginObject("attributes")
    while let key = try document.nextKey() {
      if key == "best_iteration" {
        model.bestIterations = try document.countInText("best_iteration", maximum: 1 << 30) + 1
      } else {
        try document.skip()
      }
    }
  }

  /// `gbtree`, or `dart`, which holds a `gbtree` and weights.
  private mutating func readBooster() throws(Failure) {
    try document.beginObject("gradient_booster")
    while let key = try document.nextKey() {
      if key == "name" {
        booster = try document.text("name")
      } else if key == "model" {
        try readTreeModel()
      } else if key == "gbtree" {
        try document.beginObject("gbtree")
        while let key = try document.nextKey() {
          if key == "model" { try readTreeModel() } else { try document.skip() }
        }
      } else if key == "weight_drop" {
        try document.numbers("weight_drop", into: &weights)
      } else {
        try document.skip()
      }
    }
  }

  private mutating func readTreeModel() throws(Failure) {
    try document.beginObject("model")
    while let key = try document.nextKey() {
      if key == "trees" {
        if hasTrees { throw document.failure(key.position, "the key \"trees\" comes twice") }
        hasTrees = true
        treesPlace = key.position
        try document.beginArray("trees")
        while try document.nextElement() {
          let place = document.lastPosition
          try tree.read(&document, number: model.trees.count)
          if tree.leafVectorSize > 1 {
            model.uncovered = "trees whose leaves are vectors (multi_strategy: multi_output_tree)"
          } else {
            try tree.append(to: &model, document, place: place)
          }
        }
      } else if key == "gbtree_model_param" {
        try document.beginObject("gbtree_model_param")
        while let key = try document.nextKey() {
          if key == "num_trees" {
            declaredTrees = try document.countInText("num_trees", maximum: 1 << 30)
          } else if key == "num_parallel_tree" {
            parallelTrees = max(1, try document.countInText("num_parallel_tree", maximum: 1 << 20))
          } else {
            try document.skip()
          }
        }
      } else if key == "tree_info" {
        try document.integers("tree_info", 0...65_535, into: &treeInfo)
      } else if key == "iteration_indptr" {
        try document.integers("iteration_indptr", 0...1 << 30, into: &iterationEnds)
      } else {
        try document.skip()
      }
    }
  }

  // MARK: what the parts are together

  private mutating func finish(_ end: Int) throws(Failure) {
    if booster == "gblinear" {
      model.uncovered = "linear boosters (gblinear)"
    } else if booster != "gbtree", booster != "dart" {
      model.uncovered = "boosters of the kind \(shortened(booster))"
    }
    let isTrees = model.uncovered == nil
    guard !isTrees || hasTrees else { throw document.failure(end, "the key \"trees\" is missing; a configuration (save_config) is no model") }
    guard model.featureCount > 0 else { throw document.failure(end, "num_feature is missing or 0; the model was never trained") }
    if !model.featureNames.isEmpty, model.featureNames.count != model.featureCount {
      throw document.failure(end, "\(model.featureCount) features (num_feature), but \(model.featureNames.count) feature_names")
    }
    model.outputCount = max(1, max(classCount, targetCount))
    setObjective()
    try setBase(end)
    if isTrees { try checkTrees() }
  }

  private mutating func checkTrees() throws(Failure) {
    let count = model.trees.count
    for (index, tree) in model.trees.enumerated() {
      for node in model.nodes[tree.first..<tree.first + tree.count] where !node.isLeaf && Int(node.feature) >= model.featureCount {
        throw document.failure(treesPlace, "tree \(index) splits by feature \(Int(node.feature)), but the model has \(model.featureCount)")
      }
    }
    if declaredTrees >= 0, declaredTrees != count { throw document.failure(treesPlace, "num_trees is \(declaredTrees), but there are \(count) trees") }
    if !treeInfo.isEmpty || model.outputCount > 1 {
      guard treeInfo.count == count else { throw document.failure(treesPlace, "\(count) trees, but \(treeInfo.count) entries in tree_info") }
      for index in 0..<count {
        guard Int(treeInfo[index]) < model.outputCount else {
          throw document.failure(treesPlace, "tree \(index) adds to output \(Int(treeInfo[index])), but there are \(model.outputCount)")
        }
        model.trees[index].output = Int(treeInfo[index])
      }
    }
    if booster == "dart" {
      guard weights.count == count else { throw document.failure(treesPlace, "\(count) trees, but \(weights.count) weights in weight_drop") }
      for index in 0..<count {
        guard weights[index].isFinite else { throw document.failure(treesPlace, "the weight of tree \(index) is no finite number") }
        let tree = model.trees[index]
        for node in model.nodes[tree.first..<tree.first + tree.count] where node.isLeaf && !(Float(node.threshold) * Float(weights[index])).isFinite {
          throw document.failure(treesPlace, "a leaf of tree \(index) times its weight is beyond the range of a float")
        }
        model.trees[index].weight = weights[index]
      }
    }
    if iterationEnds.isEmpty {
      let step = parallelTrees * model.outputCount
      var end = step
      while end <= count {
        model.iterationEnds.append(end)
        end += step
      }
    } else {
      for index in 1..<max(iterationEnds.count, 1) {
        guard iterationEnds[index] >= iterationEnds[index - 1], Int(iterationEnds[index]) <= count else {
          throw document.failure(treesPlace, "iteration_indptr does not rise, or passes the \(count) trees")
        }
        model.iterationEnds.append(Int(iterationEnds[index]))
      }
    }
    if model.iterationEnds.last ?? 0 != count { throw document.failure(treesPlace, "\(count) trees, but the rounds of boosting hold \(model.iterationEnds.last ?? 0)") }
  }

  private mutating func setObjective() {
    if objective == "binary:logistic" || objective == "reg:logistic" {
      model.objective = .logistic(scale: 1)
    } else if objective == "multi:softprob" || objective == "multi:softmax" {
      model.objective = .softmax
    } else if objective == "binary:hinge" {
      model.objective = .hinge
    } else if objective == "count:poisson" || objective == "reg:gamma" || objective == "reg:tweedie" || objective == "survival:cox" || objective == "survival:aft" {
      model.objective = .exponential
    } else {
      let known: [Text] = [
        "reg:squarederror", "reg:linear", "reg:squaredlogerror", "reg:pseudohubererror", "reg:absoluteerror", "reg:quantileerror", "reg:expectileerror",
        "binary:logitraw", "rank:pairwise", "rank:ndcg", "rank:map",
      ]
      if !known.contains(objective) {
        model.uncovered = model.uncovered ?? "the objective \"\(shortened(objective))\""
        model.isRawSumKnown = false
      }
    }
  }

  /// The score that every row begins with. Files have it as a prediction, before the objective's link;
  /// from version 3.1 on one for each output.
  private mutating func setBase(_ end: Int) throws(Failure) {
    var scores: [Double] = []
    var isRead = true
    baseScore.bytes.withUnsafeBytes { bytes in
      var position = 0
      let isList = bytes.count > 0 && bytes[0] == 91
      if isList { position = 1 }
      while position < bytes.count, bytes[position] != 93 {
        if bytes[position] == 44 || bytes[position] == 32 {
          position += 1
          continue
        }
        guard let score = NumberText.parse(bytes, &position) else {
          isRead = false
          return
        }
        scores.append(score)
      }
    }
    guard isRead, scores.count == 1 || scores.count == model.outputCount else {
      throw document.failure(end, "base_score is \"\(shortened(baseScore))\"; it must be a number, or one for each of the \(model.outputCount) outputs")
    }
    model.base = []
    for index in 0..<model.outputCount {
      let score = Double(Float(scores[scores.count == 1 ? 0 : index]))
      let margin: Double
      if objective == "binary:logistic" || objective == "reg:logistic" {
        margin = -Math.log(1 / score - 1)
      } else if model.objective == .exponential {
        margin = Math.log(score)
      } else {
        margin = score
      }
      guard margin.isFinite else { throw document.failure(end, "base_score is \"\(shortened(baseScore))\", which the objective \(shortened(objective)) cannot begin with") }
      model.base.append(Double(Float(margin)))
    }
  }
}
