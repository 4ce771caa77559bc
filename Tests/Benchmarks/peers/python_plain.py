"""Plain Python: the whole rule in one loop over tuples, no library."""

import peer
import rule

arguments = peer.arguments()
quotes = peer.rows(arguments.tape, arguments.events)
rule.run(quotes[: peer.WARM_UP])
with peer.Clock() as clock:
    flips, orders, profit = rule.run(quotes)
peer.report("plain Python", rule.version(), clock, len(quotes), flips, orders, profit, "one loop; quotes are tuples in a list")
