print("gantry-chain")
