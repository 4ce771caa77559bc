import GantrySDK

/// The library that made a model, opened by the host.
struct TreeLibrary {
  private let library: Library
  private let maker: TreeModel.Library

  var path: Text { library.path }

  /// - Parameter place: the parameter `library`: a file, or the folder of an installation; empty to search
  init(_ maker: TreeModel.Library, place: Text, host: Host) throws(Failure) {
    self.maker = maker
    var finder = maker.finder
    let found: Library?
    do throws(Failure) {
      found = try host.openLibrary(&finder, at: place)
    } catch {
      // Trust and grants are not a matter of the file.
      if error.status == -7 { throw error }
      throw Failure(error.status, "\(maker.name)'s library cannot be opened: \(error.text); libgomp.so.1 is in the package libgomp1")
    }
    guard let found else {
      let searched: Text = place.bytes.isEmpty ? "VIRTUAL_ENV, python3's site-packages and the system's folders" : place
      throw Failure.invalid(
        "\(finder.name) was not found in \(searched); install it: pip install \(maker.package), and name the environment or the file: library: PATH")
    }
    library = found
  }

  /// The address of a function, for `unsafeBitCast` to its C type.
  func function(_ name: StaticString) throws(Failure) -> UnsafeMutableRawPointer {
    if let symbol = library.function(name) { return symbol }
    throw Failure.invalid("\(path) has no function \(name), so it is not \(maker.name), or a version that is too old; install one: pip install --upgrade \(maker.package)")
  }
}

extension TreeModel.Library {
  var name: StaticString { self == .xgboost ? "XGBoost" : "LightGBM" }
  var package: StaticString { self == .xgboost ? "xgboost-cpu" : "lightgbm" }
  var finder: LibraryFinder {
    self == .xgboost ? LibraryFinder("libxgboost.so", inPackage: "xgboost/lib") : LibraryFinder("lib_lightgbm.so", inPackage: "lightgbm/lib")
  }
}
