/// The fenced blocks and links of a Markdown file.
struct Markdown {
  struct Block {
    /// The first word behind the fence: the language.
    var language: String
    /// What follows the language: a file name, or what a test does with the block.
    var label: String
    var text: String
    var line: Int
  }

  var blocks: [Block] = []
  /// Targets of links outside blocks.
  var links: [(target: String, line: Int)] = []

  init(_ source: String) {
    var open: Block?
    for (index, line) in source.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      if line.hasPrefix("```") {
        if let block = open {
          blocks.append(block)
          open = nil
        } else {
          let words = line.dropFirst(3).split(separator: " ", maxSplits: 1)
          open = Block(language: words.first.map(String.init) ?? "", label: words.count > 1 ? String(words[1]) : "", text: "", line: index + 1)
        }
      } else if open != nil {
        open?.text += line + "\n"
      } else {
        for match in line.matches(of: /\]\(([^)\s]+)\)/) { links.append((String(match.output.1), index + 1)) }
      }
    }
  }
}
