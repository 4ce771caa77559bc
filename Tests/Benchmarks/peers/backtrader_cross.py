"""backtrader: its own EMA, which begins with the mean of its first period, and the rule in `next`.

A bar is the mid of one quote; with cheat-on-close an order fills at the close of the bar that it was
given in. Half the quote's spread is charged as commission, which makes a deal's price the bid or the ask.
An order needs a bar after its own: the last quote comes once more, and the strategy does not look at it.
"""

import backtrader
import numpy
import pandas

import peer
from peer import FAST, QUANTITY, SLOW

CASH = 1e9


class HalfSpread(backtrader.CommInfoBase):
    """Charges what a deal at the mid was better than one at the quote."""

    params = (("stocklike", False), ("commtype", backtrader.CommInfoBase.COMM_FIXED), ("margin", 1.0))
    half_spread = 0.0

    def _getcommission(self, size, price, pseudoexec):
        return abs(size) * self.half_spread


class Cross(backtrader.Strategy):
    params = (("half_spreads", None),)

    def __init__(self):
        self.fast = backtrader.indicators.EMA(self.data.close, period=FAST)
        self.slow = backtrader.indicators.EMA(self.data.close, period=SLOW)
        self.wanted = self.flips = self.given = self.filled = 0

    def next(self):
        if len(self) > len(self.p.half_spreads):
            return
        value = self.fast[0] - self.slow[0]
        want = 1 if value > 0 else -1 if value < 0 else self.wanted
        if want == self.wanted:
            return
        HalfSpread.half_spread = self.p.half_spreads[len(self) - 1]
        if want > self.wanted:
            self.buy(size=QUANTITY * (want - self.wanted))
        else:
            self.sell(size=QUANTITY * (self.wanted - want))
        self.flips += self.wanted != 0
        self.given += 1
        self.wanted = want

    def notify_order(self, order):
        self.filled += order.status == order.Completed


def make(ns, bids, asks):
    mids = (bids + asks) * 0.5
    mids = numpy.append(mids, mids[-1])
    ns = numpy.append(ns, ns[-1] + 1_000_000_000)
    bars = pandas.DataFrame({"open": mids, "high": mids, "low": mids, "close": mids, "volume": 0.0}, index=pandas.to_datetime(ns))
    cerebro = backtrader.Cerebro(stdstats=False)
    cerebro.adddata(backtrader.feeds.PandasData(dataname=bars, openinterest=None))
    cerebro.addstrategy(Cross, half_spreads=((asks - bids) * 0.5).tolist())
    cerebro.broker.setcash(CASH)
    cerebro.broker.set_coc(True)
    cerebro.broker.addcommissioninfo(HalfSpread())
    return cerebro


arguments = peer.arguments()
ns, bids, asks = peer.arrays(arguments.tape, arguments.events)
few = 2_000
make(ns[:few], bids[:few], asks[:few]).run()
cerebro = make(ns, bids, asks)
with peer.Clock() as clock:
    strategy = cerebro.run()[0]
# The last value is at the mid; what is open is worth the bid or the ask.
profit = peer.cents(cerebro.broker.getvalue() - CASH - QUANTITY * (asks[-1] - bids[-1]) * 0.5)
notes = "quotes as bars; half the spread as commission; no observers, no analysers"
peer.report("backtrader", backtrader.__version__, clock, len(bids), strategy.flips, strategy.given, profit, notes)
