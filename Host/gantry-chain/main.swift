GantryChain.runMain()
