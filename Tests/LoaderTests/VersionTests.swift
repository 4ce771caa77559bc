import GantryBase
import Testing

@testable import GantryLoader

@Suite struct VersionTests {
  @Test(arguments: ["1.2.3", "0.0.0", "1.2.3-beta.1", "1.2.3+build.7", "10.20.30-rc.1+x"])
  func `semantic versions are read`(text: String) { #expect(Version(text) != nil) }

  @Test(arguments: ["1.2", "1", "", "v1.2.3", "01.2.3", "1.2.3-", "1.2.3-a..b", "1.2.x", "1.2.3.4", "1.2.3-\u{e9}"])
  func `others are not`(text: String) { #expect(Version(text) == nil) }

  @Test func `prereleases come before their release, numbers before words`() throws {
    let ordered = ["1.0.0-1", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0", "1.0.1", "1.1.0", "2.0.0"]
    let versions = try ordered.map { try #require(Version($0)) }
    #expect(versions.sorted() == versions)
    #expect(versions.reversed().sorted() == versions)
  }

  @Test(arguments: [
    ("^1.2", "1.2.0", true), ("^1.2", "1.9.9", true), ("^1.2", "1.1.9", false), ("^1.2", "2.0.0", false),
    ("^1", "1.0.0", true), ("^1", "2.0.0", false), ("^0.2", "0.2.5", true), ("^0.2", "0.3.0", false),
    ("^0.0.3", "0.0.3", true), ("^0.0.3", "0.0.4", false), ("~1.2", "1.2.9", true), ("~1.2", "1.3.0", false),
    ("~1.2.3", "1.2.2", false), ("~1", "1.9.0", true), ("1.2.3", "1.2.3", true), ("1.2.3", "1.2.4", false),
    ("^1.2", "1.3.0-beta.1", false), ("^1.3.0-beta.1", "1.3.0-beta.2", true),
  ])
  func `a requirement accepts what it says`(requirement: String, version: String, accepted: Bool) throws {
    #expect(try VersionRequirement(requirement).accepts(#require(Version(version))) == accepted)
  }

  @Test(arguments: ["", "^", "latest", "1.2", ">=1.2", "^1.2.3.4"])
  func `other requirements are refused with the ways to write one`(text: String) {
    do throws(GantryError) {
      _ = try VersionRequirement(text)
      Issue.record("\(text) should be refused")
    } catch {
      #expect(error.diagnostics[0].code == LoaderCode.requirement)
    }
  }
}
