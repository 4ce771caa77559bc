// A process of its own for what a test cannot do to itself, and for measuring without the test
// runner around it:
//
//     journal-tool write DIR        appends records until it is killed
//     journal-tool fill DIR         appends records until the journal refuses, and says why
//     journal-tool bench            prints what an append, a replay and a histogram cost
import Glibc

switch CommandLine.arguments.dropFirst().first {
case "write": try writeUntilKilled(CommandLine.arguments[2])
case "fill": fill(CommandLine.arguments[2])
case "bench": try bench()
default:
  print("usage: journal-tool write DIR | fill DIR | bench")
  exit(2)
}
