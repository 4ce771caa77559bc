"""NautilusTrader 2: its Rust engine with its built-in EMA cross, which is Rust too; `--bare` replays the
quotes with no strategy.

The built-in strategy begins its averages with the first mid, enters at the first crossing that it sees
and trades the same size at each: with 20,000 units its orders are the rule's turns, and the rule's first
entry of 10,000 is missing.
"""

from decimal import Decimal

import nautilus_trader
from nautilus_trader.backtest import BacktestEngine, BacktestEngineConfig
from nautilus_trader.common import LoggerConfig
from nautilus_trader.execution import FixedFeeModel
from nautilus_trader.model import (
    AccountType,
    Currency,
    CurrencyPair,
    InstrumentId,
    Money,
    OmsType,
    Price,
    Quantity,
    QuoteTick,
    Symbol,
    Venue,
)
from nautilus_trader.risk import RiskEngineConfig
from nautilus_trader.trading import EmaCrossConfig

import peer
import rule

CASH = 10_000_000
USD = Currency.from_str("USD")
VENUE = Venue("SIM")
PAIR = InstrumentId(Symbol("EUR/USD"), VENUE)


def add(parser):
    parser.add_argument("--bare", action="store_true", help="no strategy")


def make(quotes, is_bare):
    config = BacktestEngineConfig(
        bypass_logging=True,
        logging=LoggerConfig(bypass_logging=True),
        run_analysis=False,
        risk_engine=RiskEngineConfig(bypass=True),
    )
    engine = BacktestEngine(config)
    engine.add_venue(
        VENUE,
        OmsType.NETTING,
        AccountType.MARGIN,
        [Money(CASH, USD)],
        base_currency=USD,
        default_leverage=Decimal(100),
        fee_model=FixedFeeModel(Money(0, USD)),
    )
    engine.add_instrument(
        CurrencyPair(
            instrument_id=PAIR,
            raw_symbol=Symbol("EUR/USD"),
            base_currency=Currency.from_str("EUR"),
            quote_currency=USD,
            price_precision=5,
            size_precision=0,
            price_increment=Price(0.00001, 5),
            size_increment=Quantity.from_int(1),
            ts_event=0,
            ts_init=0,
        )
    )
    size = Quantity.from_int(1_000_000)
    engine.add_data([QuoteTick(PAIR, Price(bid, 5), Price(ask, 5), size, size, ns, ns) for ns, bid, ask in quotes])
    if not is_bare:
        config = EmaCrossConfig(PAIR, Quantity.from_int(2 * peer.QUANTITY), peer.FAST, peer.SLOW)
        engine.add_builtin_strategy("EmaCross", config)
    return engine


arguments = peer.arguments(add)
quotes = peer.rows(arguments.tape, arguments.events)
warm = make(quotes[: peer.WARM_UP], arguments.bare)
warm.run()
warm.dispose()
engine = make(quotes, arguments.bare)
with peer.Clock() as clock:
    engine.run()
result = engine.get_result()
version = nautilus_trader.__version__
if arguments.bare:
    notes = "quotes through the engine and the simulated venue, no strategy"
    peer.report("NautilusTrader 2, bare replay", version, clock, result.iterations, notes=notes)
else:
    last = quotes[-1]
    account = engine.cache.account_for_venue(VENUE)
    profit = account.balance_total(USD).as_decimal() - CASH
    for position in engine.cache.positions_open():
        mark = Price(last[1] if position.is_long else last[2], 5)
        profit += position.unrealized_pnl(mark).as_decimal()
    deals = []
    flips, orders, _ = rule.run(quotes, deals)
    why = "the rule's turns, without its first entry"
    terms = (flips, orders - 1, rule.profit(deals[1:], last), why)
    orders = result.total_orders
    notes = "built-in EmaCross in Rust; no logging, no checks of risk"
    peer.report("NautilusTrader 2", version, clock, result.iterations, orders, orders, peer.cents(profit), notes, terms)
