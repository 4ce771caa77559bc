"""What the peers' scripts share: the tape, one measured run, and the line of JSON.

Every script prepares its data, runs its engine once over the tape's first quotes (imports, compilers and
caches are warm then) and once over all of it; only the second run is timed, and only the engine's own
work in it. Prices count 10^-5 and cash 10^-2 where money is exact.
"""

import argparse
import gc
import json
import struct
import time

FAST, SLOW, QUANTITY = 10, 20, 10_000
WARM_UP = 20_000
POINTS = 100_000
ROW = struct.Struct("<qddQ")


def arguments(add=None):
    """The command line: the tape, how many of its quotes, and what `add` adds to the parser."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--tape", required=True, help="written by `gantry-bench tape --output FILE`")
    parser.add_argument("--events", type=int, default=0, help="the tape's first quotes only; 0 = all")
    if add:
        add(parser)
    return parser.parse_args()


def rows(path, count=0):
    """(ns, bid, ask) of each quote, with nothing but the standard library."""
    with open(path, "rb") as file:
        data = file.read(count * ROW.size if count else -1)
    return [(ns, bid, ask) for ns, bid, ask, _ in ROW.iter_unpack(data)]


def arrays(path, count=0):
    """Three numpy arrays: ns, bid, ask."""
    import numpy

    kinds = numpy.dtype([("ns", "<i8"), ("bid", "<f8"), ("ask", "<f8"), ("reserved", "<u8")])
    tape = numpy.fromfile(path, dtype=kinds, count=count or -1)
    return tuple(numpy.ascontiguousarray(tape[name]) for name in ("ns", "bid", "ask"))


def unique_stamps(ns):
    """The stamps with those that repeat moved on by a nanosecond each, for engines that merge equal ones."""
    import numpy

    steps = numpy.arange(len(ns), dtype=numpy.int64)
    return numpy.maximum.accumulate(ns - steps) + steps


def cents(value):
    """A float of money as whole cents."""
    return round(value * 100)


def money(value):
    """Whole cents as decimal text."""
    return f"{'-' if value < 0 else ''}{abs(value) // 100}.{abs(value) % 100:02d}"


class Clock:
    """Wall and CPU time of a `with` block: CPU of all threads of the process."""

    def __enter__(self):
        gc.collect()
        self._cpu = time.process_time()
        self._wall = time.perf_counter()
        return self

    def __exit__(self, *_):
        self.wall = time.perf_counter() - self._wall
        self.cpu = time.process_time() - self._cpu
        with open("/proc/self/status") as status:
            self.threads = next(int(line.split()[1]) for line in status if line.startswith("Threads:"))


def report(name, version, clock, events, flips=None, orders=None, profit=None, notes="", differs=None):
    """Prints the line. `profit` is in cents; `differs` has the flips, the orders and the cents that the
    tape must give under the engine's own terms, and says which these are."""
    line = {
        "name": name, "version": version, "events": events, "flips": flips, "orders": orders,
        "net_profit": None if profit is None else money(profit), "wall_seconds": clock.wall, "cpu_seconds": clock.cpu,
        "threads": clock.threads, "notes": notes,
    }
    if differs:
        flips, orders, profit, why = differs
        line["differs"] = {"flips": flips, "orders": orders, "net_profit": money(profit), "why": why}
    print(json.dumps(line), flush=True)
