"""NautilusTrader 1: its engine in Cython with a strategy in Python, the averages its own indicators.

Its averages begin with the first mid, ours with the mean of the first period: the crossings are the same
once they have come together.
"""

from decimal import Decimal

import nautilus_trader
import numpy
from nautilus_trader.backtest.config import BacktestEngineConfig
from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.config import LoggingConfig, RiskEngineConfig
from nautilus_trader.indicators import ExponentialMovingAverage
from nautilus_trader.model.currencies import EUR, USD
from nautilus_trader.model.data import QuoteTick
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
from nautilus_trader.model.identifiers import InstrumentId, Symbol, Venue
from nautilus_trader.model.instruments import CurrencyPair
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.trading.strategy import Strategy

import peer
from peer import FAST, QUANTITY, SLOW

CASH = 10_000_000
VENUE = Venue("SIM")
PAIR = InstrumentId(Symbol("EUR/USD"), VENUE)


class Cross(Strategy):
    def __init__(self):
        super().__init__()
        self.fast = ExponentialMovingAverage(FAST)
        self.slow = ExponentialMovingAverage(SLOW)
        self.wanted = self.flips = self.given = 0

    def on_start(self):
        self.subscribe_quote_ticks(PAIR)

    def on_quote_tick(self, tick):
        mid = (tick.bid_price.as_double() + tick.ask_price.as_double()) * 0.5
        self.fast.update_raw(mid)
        self.slow.update_raw(mid)
        if not self.slow.initialized:
            return
        value = self.fast.value - self.slow.value
        want = 1 if value > 0 else -1 if value < 0 else self.wanted
        if want == self.wanted:
            return
        units = Quantity.from_int(QUANTITY * abs(want - self.wanted))
        side = OrderSide.BUY if want > self.wanted else OrderSide.SELL
        self.submit_order(self.order_factory.market(PAIR, side, units))
        self.flips += self.wanted != 0
        self.given += 1
        self.wanted = want


def make(ns, bids, asks):
    engine = BacktestEngine(
        BacktestEngineConfig(
            logging=LoggingConfig(bypass_logging=True), risk_engine=RiskEngineConfig(bypass=True), run_analysis=False
        )
    )
    engine.add_venue(
        VENUE, OmsType.NETTING, AccountType.MARGIN, [Money(CASH, USD)], base_currency=USD, default_leverage=Decimal(100)
    )
    engine.add_instrument(
        CurrencyPair(
            instrument_id=PAIR,
            raw_symbol=Symbol("EUR/USD"),
            base_currency=EUR,
            quote_currency=USD,
            price_precision=5,
            size_precision=0,
            price_increment=Price(0.00001, 5),
            size_increment=Quantity.from_int(1),
            lot_size=None,
            max_quantity=None,
            min_quantity=None,
            max_notional=None,
            min_notional=None,
            max_price=None,
            min_price=None,
            margin_init=Decimal(0),
            margin_maint=Decimal(0),
            maker_fee=Decimal(0),
            taker_fee=Decimal(0),
            ts_event=0,
            ts_init=0,
        )
    )
    size = Quantity.from_int(1_000_000)
    rows = zip(ns.tolist(), bids.tolist(), asks.tolist())
    engine.add_data([QuoteTick(PAIR, Price(bid, 5), Price(ask, 5), size, size, at, at) for at, bid, ask in rows])
    strategy = Cross()
    engine.add_strategy(strategy)
    return engine, strategy


arguments = peer.arguments()
ns, bids, asks = peer.arrays(arguments.tape, arguments.events)
few = 2_000
make(ns[:few], bids[:few], asks[:few])[0].run()
engine, strategy = make(ns, bids, asks)
with peer.Clock() as clock:
    engine.run()
profit = engine.cache.account_for_venue(VENUE).balance_total(USD).as_decimal() - CASH
for position in engine.cache.positions_open():
    profit += position.unrealized_pnl(Price(bids[-1] if position.is_long else asks[-1], 5)).as_decimal()
notes = "engine in Cython, strategy in Python; no logging, no checks of risk"
name = "NautilusTrader 1"
peer.report(name, nautilus_trader.__version__, clock, engine.iteration, strategy.flips, strategy.given, peer.cents(profit), notes)
