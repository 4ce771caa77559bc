"""The fused loop in C, and the six steps as six dlopened functions, called through ctypes."""

import ctypes
import os

import peer


class Outcome(ctypes.Structure):
    """`struct outcome` of Baselines/chain.h."""

    _fields_ = [(name, ctypes.c_uint64) for name in ("events", "flips", "orders", "fills")] + [
        ("profit", ctypes.c_int64),
        ("position", ctypes.c_int64),
    ]


def add(parser):
    parser.add_argument("--bench", default=".build/bench", help="the folder of baselines.so")
    parser.add_argument("--six", action="store_true", help="the six functions instead of the fused loop")


arguments = peer.arguments(add)
with open(arguments.tape, "rb") as file:
    tape = file.read(arguments.events * peer.ROW.size if arguments.events else -1)
count = len(tape) // peer.ROW.size
library = ctypes.CDLL(os.path.join(arguments.bench, "baselines.so"))
library.run_fused.argtypes = [ctypes.c_char_p, ctypes.c_uint64, ctypes.POINTER(Outcome)]
library.run_fused.restype = None
library.run_hops.argtypes = [ctypes.c_void_p, *library.run_fused.argtypes]
library.run_hops.restype = None
library.open_hops.argtypes = [ctypes.c_char_p]
library.open_hops.restype = ctypes.c_void_p
outcome = Outcome()
if arguments.six:
    hops = library.open_hops(arguments.bench.encode())
    if not hops:
        raise SystemExit(f"the six hops cannot be opened in {arguments.bench}")
    run = lambda number: library.run_hops(hops, tape, number, ctypes.byref(outcome))
else:
    run = lambda number: library.run_fused(tape, number, ctypes.byref(outcome))

run(min(count, peer.WARM_UP))
with peer.Clock() as clock:
    run(count)
name = "six dlopened C functions" if arguments.six else "one fused C loop"
notes = "one call each for each quote; no host, no journal" if arguments.six else "the least the rule costs"
peer.report(name, "C11, -O3", clock, outcome.events, outcome.flips, outcome.orders, outcome.profit, notes)
