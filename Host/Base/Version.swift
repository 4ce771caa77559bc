/// The version of this host, as `gantry --version` prints it.
public let gantryVersion = "0.1.0"
