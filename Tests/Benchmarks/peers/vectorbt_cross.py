"""vectorbt, with the faster of its two engines, in Rust: the rule over whole arrays, no event loop.

Its exponential mean begins with its first value, so the mids of the first period are replaced by their
mean at its end. Orders aim at 10,000 units and fill at the bid or ask of their quote.
"""

import numpy
import vectorbt
from vectorbt.generic.dispatch import ewm_mean_1d
from vectorbt.portfolio.enums import SizeType

import peer
from peer import FAST, QUANTITY, SLOW

CASH = 1e9


def average(mids, period):
    """EMA of the period, NaN before its end and the mean of the first period there."""
    seeded = mids.copy()
    seeded[: period - 1] = numpy.nan
    # Summed in order, as a loop does: numpy's own sum adds in pairs.
    seeded[period - 1] = sum(mids[:period].tolist()) / period
    return ewm_mean_1d(seeded, period, 0, False)


def run(bids, asks):
    mids = (bids + asks) * 0.5
    side = numpy.sign(average(mids, FAST) - average(mids, SLOW))
    # Equal averages keep the position: the last side that was not zero.
    known = numpy.where((side == 0) | numpy.isnan(side), 0, numpy.arange(len(side)))
    side = side[numpy.maximum.accumulate(known)]
    side[: SLOW - 1] = 0
    turns = numpy.flatnonzero(numpy.diff(side, prepend=0.0))
    target = numpy.full(len(mids), numpy.nan)
    target[turns] = side[turns] * QUANTITY
    price = numpy.where(side > 0, asks, bids)
    return vectorbt.Portfolio.from_orders(
        close=mids, size=target, size_type=SizeType.TargetAmount, price=price, fees=0.0, init_cash=CASH, max_orders=len(turns)
    )


arguments = peer.arguments()
_, bids, asks = peer.arrays(arguments.tape, arguments.events)
run(bids[: peer.WARM_UP], asks[: peer.WARM_UP])
with peer.Clock() as clock:
    portfolio = run(bids, asks)
records = portfolio.orders.values
signed = numpy.where(records["side"] == 0, 1.0, -1.0) * records["size"]
position = signed.sum()
profit = peer.cents(-(signed * records["price"]).sum() + position * (bids[-1] if position > 0 else asks[-1]))
notes = "Rust engine; arrays, no event loop; order records kept, statistics not asked for"
peer.report("vectorbt", vectorbt.__version__, clock, len(bids), len(records) - 1, len(records), profit, notes)
