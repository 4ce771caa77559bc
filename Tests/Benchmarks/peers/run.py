"""Runs every peer in turn, round by round, and writes the table.

A peer is a script of this folder in a virtualenv of its own; what cannot be installed is said and left
out. Each run is a process that warms up and then times one pass over the tape. Flips, orders and profit
of each are compared with the rule in plain Python over the same quotes; a peer with terms of its own
says what they must come to (`differs`). One that comes to anything else fails the whole.
"""

import argparse
import dataclasses
import glob
import json
import os
import platform
import re
import subprocess
import sys
import time

import peer
import rule

HERE = os.path.dirname(os.path.abspath(__file__))
SECONDS_MAX = 900


@dataclasses.dataclass
class Peer:
    """One line of the table."""

    name: str
    script: str
    arguments: list = dataclasses.field(default_factory=list)
    #: The folder of the virtualenv and what pip puts into it; none: the Python that runs this.
    environment: str = ""
    packages: list = dataclasses.field(default_factory=list)
    #: The Pythons it can do with, best first.
    pythons: tuple = ("3.13", "3.12", "3.11")
    #: The tape's first quotes only, for the slow ones; 0 = all.
    prefix: int = 0


PEERS = [
    Peer("one fused C loop", "c_loops.py"),
    Peer("six dlopened C functions", "c_loops.py", ["--six"]),
    Peer("gantry", ""),
    Peer("hftbacktest", "hftbacktest_cross.py", [], "hftbacktest", ["hftbacktest==2.4.4"]),
    Peer("vectorbt", "vectorbt_cross.py", [], "vectorbt", ["vectorbt[rust]==1.0.0", "plotly<6"]),
    Peer("plain Python", "python_plain.py"),
    Peer("NautilusTrader 2, bare replay", "nautilus_rust.py", ["--bare"], "nautilus2", ["nautilus_trader==2.0.0rc7"], ("3.13", "3.12")),
    Peer("NautilusTrader 2", "nautilus_rust.py", [], "nautilus2", ["nautilus_trader==2.0.0rc7"], ("3.13", "3.12")),
    Peer("backtesting.py", "backtesting_cross.py", [], "backtesting", ["backtesting==0.6.6"]),
    Peer("NautilusTrader 1", "nautilus_python.py", [], "nautilus1", ["nautilus_trader==1.221.0"], prefix=100_000),
    Peer("backtrader", "backtrader_cross.py", [], "backtrader", ["backtrader==1.9.78.123", "pandas"], prefix=100_000),
]

#: What must hold: the row, how many times slower than gantry it must be at least.
FASTER_THAN = [("hftbacktest", 5), ("vectorbt", 5), ("NautilusTrader 2", 50), ("NautilusTrader 2, bare replay", 15)]
SIX_C_HOPS_MAX = 3


class LeftOut(Exception):
    """Why a peer is not in the table."""


def find_python(versions):
    """The first of these versions that runs: by its name, or in pyenv's folders."""
    root = os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))
    for version in versions:
        installed = glob.glob(f"{root}/versions/{version}.*/bin/python3")
        for path in [f"python{version}", *sorted(installed, reverse=True)]:
            try:
                said = subprocess.run([path, "-c", "import sys, venv; print(sys.version)"], capture_output=True, text=True)
            except OSError:
                continue
            if said.returncode == 0 and said.stdout.startswith(version + "."):
                return path
    raise LeftOut(f"it wants Python {' or '.join(versions)}, and none is here")


def install(one, folder):
    """The peer's Python, with its packages."""
    if not one.environment:
        return sys.executable
    place = os.path.join(folder, one.environment)
    python, stamp = os.path.join(place, "bin", "python"), os.path.join(place, "installed.txt")
    wanted = "\n".join(one.packages)
    if os.path.exists(stamp) and open(stamp).read() == wanted:
        return python
    say(f"installing {', '.join(one.packages)}")
    base = find_python(one.pythons)
    for step in [
        [base, "-m", "venv", "--clear", place],
        [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *one.packages],
    ]:
        done = subprocess.run(step, capture_output=True, text=True)
        if done.returncode != 0:
            raise LeftOut(f"`{' '.join(step)}` failed: {last_line(done.stderr)}")
    with open(stamp, "w") as file:
        file.write(wanted)
    return python


def command(one, settings, python, count):
    """What measures the peer over the tape's first `count` quotes."""
    if not one.script:
        return [
            os.path.join(settings.build, "gantry-bench"), "chain-once", "--events", str(count), "--data", settings.data,
            "--build", settings.build, "--bench", settings.bench,
        ]
    words = [python, os.path.join(HERE, one.script), "--tape", settings.tape, "--events", str(count), *one.arguments]
    return words + (["--bench", settings.bench] if one.script == "c_loops.py" else [])


def measure(words):
    """The line that one run prints."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=SECONDS_MAX, env=dict(os.environ, PYTHONDONTWRITEBYTECODE="1"))
    except subprocess.TimeoutExpired:
        raise LeftOut(f"it was not done after {SECONDS_MAX} s")
    if done.returncode != 0:
        raise LeftOut(f"it failed: {last_line(done.stderr)}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def judge(line, truth):
    """Whether a line agrees with the rule over the same quotes, in words; and whether it is all right."""
    if line["flips"] is None:
        return "does not trade", line["events"] == truth["events"]
    figures = lambda of: (of["flips"], of["orders"], of["net_profit"])
    if line["events"] != truth["events"]:
        return f"NO: {line['events']} events of {truth['events']}", False
    if figures(line) == figures(truth):
        return "yes", True
    terms = line.get("differs")
    if terms and figures(line) == figures(terms) and terms["flips"] == truth["flips"]:
        return f"yes, on its terms: {terms['why']}", True
    return f"NO: must be {truth['flips']} flips, {truth['orders']} orders, {truth['net_profit']}", False


def true_figures(settings, count):
    flips, orders, profit = rule.run(peer.rows(settings.tape, count))
    return {"events": count, "flips": flips, "orders": orders, "net_profit": peer.money(profit)}


def median(values, share=0.5):
    values = sorted(values)
    return values[min(len(values) - 1, round((len(values) - 1) * share))]


def nanoseconds(lines, key="wall_seconds", share=0.5):
    return median([line[key] * 1e9 / line["events"] for line in lines], share)


def number(value):
    return f"{value:,.1f}" if value < 1000 else f"{value:,.0f}"


def times(value):
    return f"{value:.2f}x" if value < 10 else f"{value:,.0f}x"


def table(columns, rows):
    """Markdown, as wide as its cells."""
    widths = [max(len(row[index]) for row in [columns, *rows]) for index in range(len(columns))]
    line = lambda cells: "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths)) + " |"
    return "\n".join([line(columns), "|" + "|".join("-" * (width + 2) for width in widths) + "|", *map(line, rows)])


def results_table(settings, measured, verdicts):
    ours = nanoseconds(measured["gantry"]) if "gantry" in measured else None
    rows = []
    for name, lines in measured.items():
        line = lines[0]
        wall = nanoseconds(lines)
        rows.append([
            name + ("" if line["events"] == settings.events else f", first {line['events']:,}"),
            line["version"],
            number(wall),
            f"{number(nanoseconds(lines, share=0.1))} - {number(nanoseconds(lines, share=0.9))}",
            number(nanoseconds(lines, "cpu_seconds")),
            str(line["threads"]),
            times(wall / ours) if ours else "",
            "" if line["flips"] is None else f"{line['flips']:,}",
            line["net_profit"] or "",
            verdicts[name],
        ])
    columns = ["what", "version", "ns an event", "10-90 %", "CPU ns an event", "threads", "time, of gantry's", "flips", "net USD", "agrees"]
    return table(columns, rows)


def budgets_table(measured):
    wall = {name: nanoseconds(lines) for name, lines in measured.items()}
    ours, rows = wall["gantry"], []
    six = wall.get("six dlopened C functions")
    if six:
        rows.append(["gantry, of six plain C hops", f"within {SIX_C_HOPS_MAX}x", times(ours / six), "yes" if ours <= SIX_C_HOPS_MAX * six else "no"])
    for name, least in FASTER_THAN:
        if name in wall:
            ratio = wall[name] / ours
            rows.append([f"{name}, of gantry", f"over {least}x", times(ratio), "yes" if ratio > least else "no"])
        else:
            rows.append([f"{name}, of gantry", f"over {least}x", "not measured", ""])
    return table(["what", "budget", "measured", "met"], rows)


def machine():
    with open("/proc/cpuinfo") as file:
        cpu = re.search(r"model name\s*:\s*(.*)", file.read())
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 30
    return f"{cpu.group(1) if cpu else 'unknown CPU'}, {os.cpu_count()} CPUs, {memory} GB, Linux {platform.release()}"


def document(settings, measured, verdicts, left_out, load_before):
    parts = [
        "# Gantry beside other engines",
        f"Made by `{settings.shown}`: {settings.rounds} {'round' if settings.rounds == 1 else 'rounds'} in one run, in which each engine takes its turn in a process of its own; "
        "medians. One rule everywhere: EMA(10) over EMA(20) of the mid is long 10,000 units, under it short, turned by market orders "
        f"without commission, over {settings.events:,} real Oanda EURUSD quotes in memory. Slow engines run the first quotes only, as their "
        "line says. Measured alone, the ratios hold from machine to machine better than the times do.",
        f"Machine: {machine()}. Load average {load_before:.1f} when this began and {os.getloadavg()[0]:.1f} when it ended.",
        results_table(settings, measured, verdicts),
    ]
    ours = measured.get("gantry")
    if ours:
        lane, helpers = (number(nanoseconds(ours, key)) for key in ("lane_cpu_seconds", "helper_cpu_seconds"))
        parts.append(f"Of gantry's CPU time the lane takes {lane} ns an event; its helper threads (source reader, journal) take {helpers} ns beside it.")
        parts += ["## Budgets", budgets_table(measured)]
    if left_out:
        parts.append("Left out: " + "; ".join(f"{name}, because {why}" for name, why in left_out.items()) + ".")
    notes = "\n".join(f"- {name}: {lines[0]['notes']}." for name, lines in measured.items())
    parts += [
        "## What is timed",
        "One pass over the quotes by an engine that is set up, in a process that made a shorter pass before. Not timed: starting Python, "
        "imports, compiling (numba's, on the first pass), turning the tape into the engine's own form, and reading its results, except where "
        "a line below says so. CPU time is of all threads of the process. Threads are those of the process at its end; numpy's pool, which "
        "sleeps, is among them. Agrees: flips, orders and net profit, to the cent, are those of the rule in plain Python over the same quotes.",
        notes,
    ]
    return "\n\n".join(parts) + "\n"


def last_line(text):
    return (text.strip().splitlines() or ["it said nothing"])[-1][:300]


def say(text):
    print(text, file=sys.stderr, flush=True)


def parse():
    parser = argparse.ArgumentParser(description="Measures Gantry beside other engines.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="one of: " + ", ".join(one.name for one in PEERS))
    parser.add_argument("--output", help="where the report goes (Tests/Benchmarks/PEERS.md when everything is measured)")
    parser.add_argument("--data", default="../shared/data")
    parser.add_argument("--build", default=".build/release", help="the folder of gantry-bench and the plugins")
    parser.add_argument("--bench", default=".build/bench", help="the folder of the C baselines")
    parser.add_argument("--environments", default=".build/peers", help="where the virtualenvs are")
    settings = parser.parse_args()
    unknown = set(settings.only) - {one.name for one in PEERS}
    if unknown:
        parser.error(f"no peer is called {', '.join(sorted(unknown))}; there are: {', '.join(one.name for one in PEERS)}")
    if not settings.output and not settings.only and settings.events == parser.get_default("events"):
        settings.output = "Tests/Benchmarks/PEERS.md"
    options = [f"--{name} {getattr(settings, name)}" for name in ("rounds", "events") if getattr(settings, name) != parser.get_default(name)]
    settings.shown = "make bench-peers" + (f' ARGS="{" ".join(options)}"' if options else "")
    settings.tape = os.path.join(settings.bench, "peers-tape.bin")
    return settings


def main():
    settings = parse()
    load_before = os.getloadavg()[0]
    os.makedirs(os.path.join(settings.bench, "runs"), exist_ok=True)
    bench = os.path.join(settings.build, "gantry-bench")
    if not os.path.exists(bench):
        sys.exit(f"error: there is no {bench}; `make bench-peers` builds it")
    made = subprocess.run(
        [bench, "tape", "--events", str(settings.events), "--data", settings.data,
         "--build", settings.build, "--bench", settings.bench, "--output", settings.tape],
        stdout=subprocess.DEVNULL)
    if made.returncode != 0:
        sys.exit("error: the tape could not be written")

    commands, truths, left_out = {}, {}, {}
    for one in PEERS:
        if settings.only and one.name not in settings.only:
            continue
        count = min(one.prefix or settings.events, settings.events)
        try:
            commands[one.name] = command(one, settings, install(one, settings.environments), count)
            truths[one.name] = count
        except LeftOut as reason:
            left_out[one.name] = str(reason)
    figures = {count: true_figures(settings, count) for count in set(truths.values())}

    measured = {}
    for turn in range(settings.rounds):
        names = list(commands)
        # Nobody always follows the same one.
        for name in names[turn % len(names):] + names[: turn % len(names)]:
            if name in left_out:
                continue
            started = time.monotonic()
            try:
                measured.setdefault(name, []).append(measure(commands[name]))
            except LeftOut as reason:
                left_out[name] = str(reason)
                continue
            wall = nanoseconds(measured[name][-1:])
            say(f"round {turn + 1} of {settings.rounds}: {name}: {number(wall)} ns an event ({time.monotonic() - started:.0f} s in all)")
    # In the order of the list, without those that failed on the way.
    measured = {name: measured[name] for name in commands if name not in left_out}
    for name, why in left_out.items():
        say(f"left out: {name}: {why}")

    verdicts, is_right = {}, True
    for name, lines in measured.items():
        for line in lines:
            verdicts[name], agrees = judge(line, figures[truths[name]])
            is_right = is_right and agrees
            if not agrees:
                break
    text = document(settings, measured, verdicts, left_out, load_before)
    if settings.output:
        with open(settings.output, "w") as file:
            file.write(text)
        say(f"wrote {settings.output}")
    print(text)
    if not is_right:
        sys.exit("error: not all agree with the rule; see the last column")


if __name__ == "__main__":
    main()
