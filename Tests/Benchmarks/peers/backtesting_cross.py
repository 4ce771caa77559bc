"""backtesting.py: the averages as an indicator over the whole tape, the rule in `next`.

A bar is the mid of one quote; an order fills at the close of the bar that it was given in. Half the
quote's spread is charged as commission, which makes a deal's price the bid or the ask. An order needs a
bar after its own: the last quote comes once more, and the strategy does not look at it.
"""

import os
import warnings

os.environ["TQDM_DISABLE"] = "1"
import backtesting
import numpy
import pandas
from backtesting import Backtest, Strategy

import peer
from peer import FAST, QUANTITY, SLOW

CASH = 1e9


def average(mids, period):
    """EMA begun with the mean of the first period, NaN before its end."""
    seeded = numpy.array(mids, dtype=float)
    seeded[: period - 1] = numpy.nan
    seeded[period - 1] = sum(mids[:period].tolist()) / period
    return pandas.Series(seeded).ewm(span=period, adjust=False).mean().to_numpy()


def difference(mids):
    """Fast less slow average; 0 where they are not known, because bars of NaN would be left out."""
    return numpy.nan_to_num(average(mids, FAST) - average(mids, SLOW))


class Cross(Strategy):
    half_spreads = None
    half_spread = 0.0

    def init(self):
        Cross.half_spread = 0.0
        self.value = self.I(difference, self.data.Close)
        self.wanted = self.flips = self.given = 0

    def next(self):
        if len(self.data) > len(self.half_spreads):
            return
        value = self.value[-1]
        want = 1 if value > 0 else -1 if value < 0 else self.wanted
        if want == self.wanted:
            return
        Cross.half_spread = self.half_spreads[len(self.data) - 1]
        if want > self.wanted:
            self.buy(size=QUANTITY * (want - self.wanted))
        else:
            self.sell(size=QUANTITY * (self.wanted - want))
        self.flips += self.wanted != 0
        self.given += 1
        self.wanted = want


def make(bids, asks):
    mids = (bids + asks) * 0.5
    mids = numpy.append(mids, mids[-1])
    bars = pandas.DataFrame({"Open": mids, "High": mids, "Low": mids, "Close": mids, "Volume": 0.0})
    Cross.half_spreads = (asks - bids) * 0.5
    commission = lambda units, price: abs(units) * Cross.half_spread
    return Backtest(bars, Cross, cash=CASH, commission=commission, margin=0.01, trade_on_close=True)


warnings.simplefilter("ignore")
arguments = peer.arguments()
_, bids, asks = peer.arrays(arguments.tape, arguments.events)
make(bids[: peer.WARM_UP], asks[: peer.WARM_UP]).run()
backtest = make(bids, asks)
with peer.Clock() as clock:
    result = backtest.run()
strategy = result["_strategy"]
# The last equity is at the mid; what is open is worth the bid or the ask.
profit = peer.cents(result["Equity Final [$]"] - CASH - QUANTITY * (asks[-1] - bids[-1]) * 0.5)
notes = "quotes as bars; half the spread as commission; its table of statistics is part of a run"
peer.report("backtesting.py", backtesting.__version__, clock, len(bids), strategy.flips, strategy.given, profit, notes)
