import GantrySDK

/// The arms' figures as metrics, `arm_0_brier` and so on, in the order of `from`.
struct Gauges {
  private let ids: UnsafeMutablePointer<UInt32>
  private let outcomes: UInt32
  private let arms: Int

  init(_ host: Host, arms: Int) {
    self.arms = arms
    outcomes = host.defineMetric("outcomes", unit: "outcomes", help: "predictions scored, of all instruments")
    ids = .allocate(capacity: arms * Arms.figureCount)
    for arm in 0..<arms {
      for figure in 0..<Arms.figureCount {
        ids[arm * Arms.figureCount + figure] = host.defineMetric(Gauges.name(arm, figure), unit: Gauges.unit(figure), help: Gauges.help(figure))
      }
    }
  }

  func destroy() { ids.deallocate() }

  func update(_ host: Host, _ figures: Arms) {
    host.updateMetric(outcomes, Double(figures.outcomeCount))
    for arm in 0..<arms {
      for figure in 0..<Arms.figureCount {
        let number = figures.figure(arm, figure)
        if !number.isNaN { host.updateMetric(ids[arm &* Arms.figureCount &+ figure], number) }
      }
    }
  }

  /// Names are literals: the host keeps them as long as the code is loaded.
  private static func name(_ arm: Int, _ figure: Int) -> StaticString {
    switch (arm, figure) {
    case (0, 0): "arm_0_scored"
    case (0, 1): "arm_0_brier"
    case (0, 2): "arm_0_log_loss"
    case (0, 3): "arm_0_hit_rate"
    case (0, 4): "arm_0_mean_return"
    case (0, 5): "arm_0_realised"
    case (0, 6): "arm_0_difference"
    case (0, 7): "arm_0_p_value"
    case (1, 0): "arm_1_scored"
    case (1, 1): "arm_1_brier"
    case (1, 2): "arm_1_log_loss"
    case (1, 3): "arm_1_hit_rate"
    case (1, 4): "arm_1_mean_return"
    case (1, 5): "arm_1_realised"
    case (1, 6): "arm_1_difference"
    case (1, 7): "arm_1_p_value"
    case (2, 0): "arm_2_scored"
    case (2, 1): "arm_2_brier"
    case (2, 2): "arm_2_log_loss"
    case (2, 3): "arm_2_hit_rate"
    case (2, 4): "arm_2_mean_return"
    case (2, 5): "arm_2_realised"
    case (2, 6): "arm_2_difference"
    case (2, 7): "arm_2_p_value"
    case (3, 0): "arm_3_scored"
    case (3, 1): "arm_3_brier"
    case (3, 2): "arm_3_log_loss"
    case (3, 3): "arm_3_hit_rate"
    case (3, 4): "arm_3_mean_return"
    case (3, 5): "arm_3_realised"
    case (3, 6): "arm_3_difference"
    default: "arm_3_p_value"
    }
  }

  private static func unit(_ figure: Int) -> StaticString {
    switch figure {
    case 0: "outcomes"
    case 5: "smallest unit of the account's currency"
    default: ""
    }
  }

  private static func help(_ figure: Int) -> StaticString {
    switch figure {
    case 0: "outcomes with a probability"
    case 1: "mean squared error of the probability"
    case 2: "mean logarithmic loss of the probability"
    case 3: "share of directions that were right"
    case 4: "mean return of the arm's own instruments, before costs"
    case 5: "profit less commission of the arm's own instruments' fills"
    case 6: "by how much it is better than the first arm, in what is compared"
    default: "always-valid p-value of that difference"
    }
  }
}
