// The throwaway child of the loader's tests: answers the hidden verbs as `gantry` does.
import Glibc
import GantryLoader

let arguments = Array(CommandLine.arguments.dropFirst())
if let code = LoaderChild.run(arguments: arguments) { _exit(code) }
_exit(2)
