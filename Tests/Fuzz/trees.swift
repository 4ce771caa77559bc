import GantrySDK

/// Any bytes as a model of XGBoost or LightGBM: no crash, no byte behind the end is looked at, and what is
/// accepted can be walked, one row and a block with the same bits.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzTrees(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
  guard size > 0, let data else { return 0 }
  // In memory of exactly its size.
  let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 1)
  copy.copyMemory(from: UnsafeRawBufferPointer(start: data, count: size))
  defer { copy.deallocate() }
  do throws(Failure) {
    let model = try ModelFile.read(UnsafeRawBufferPointer(copy), file: "fuzz")
    guard model.uncovered == nil, model.featureCount <= 64, model.outputCount <= 64 else { return 0 }
    let columnOf = [Int](0..<model.featureCount)
    switch model.library {
    case .xgboost: walk(Evaluator<Float>(model, columnOf: columnOf), model)
    case .lightgbm: walk(Evaluator<Double>(model, columnOf: columnOf), model)
    }
  } catch {
    precondition(error.status == -1 && !error.text.bytes.isEmpty, "a refusal without a reason")
  }
  return 0
}

private func walk<Scalar: BinaryFloatingPoint & BitwiseCopyable>(_ evaluator: Evaluator<Scalar>, _ model: TreeModel) {
  let count = 11
  let width = model.featureCount
  let hard: [Double] = [.nan, 0, 1, -1, 0.5, 1e-36, .infinity, -.infinity, 40, 2_147_483_648, -0.5]
  let rows = UnsafeMutablePointer<Double>.allocate(capacity: count * width)
  let single = UnsafeMutablePointer<Double>.allocate(capacity: count * model.outputCount)
  let block = UnsafeMutablePointer<Double>.allocate(capacity: count * model.outputCount)
  defer {
    rows.deallocate()
    single.deallocate()
    block.deallocate()
    evaluator.deallocate()
  }
  for index in 0..<count * width { rows[index] = hard[(index * 7 + index / width) % hard.count] }
  for row in 0..<count { evaluator.predict(rows + row * width, single + row * model.outputCount) }
  evaluator.predict(rows, stride: width * 8, count: count, block)
  for index in 0..<count * model.outputCount {
    precondition(single[index].bitPattern == block[index].bitPattern || single[index].isNaN && block[index].isNaN, "a block differs from single rows")
  }
}
