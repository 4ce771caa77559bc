import Glibc

func makeFolder(_ path: String) -> Bool { mkdir(path, 0o755) == 0 }
