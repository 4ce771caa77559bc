import GantryCLI

GantryCommand.runMain()
