"""hftbacktest: its Rust engine, the rule as a strategy that numba compiles.

A quote becomes the rows of the feed that lead from the book before it to the book of it: the old level of
a side that moved goes, the new one comes; all with one stamp, so that the engine hands them to the
strategy at once. Neither latency nor fee; market orders.
"""

import numba
import numpy
from hftbacktest import (
    BUY_EVENT,
    DEPTH_EVENT,
    EXCH_EVENT,
    GTC,
    LOCAL_EVENT,
    MARKET,
    SELL_EVENT,
    BacktestAsset,
    ROIVectorMarketDepthBacktest,
    __version__,
)
from hftbacktest.types import event_dtype

import peer
from peer import FAST, QUANTITY, SLOW

FEED_CAME = 2
A_LONG_TIME = 10**18


@numba.njit
def cross(backtest):
    """The rule; returns the quotes it saw, its flips and its orders."""
    depth = backtest.depth(0)
    fast = slow = total = 0.0
    quotes = wanted = flips = orders = 0
    while backtest.wait_next_feed(False, A_LONG_TIME) == FEED_CAME:
        quotes += 1
        bid, ask = depth.best_bid, depth.best_ask
        mid = (bid + ask) * 0.5
        if quotes <= SLOW:
            total += mid
            if quotes == FAST:
                fast = total / FAST
            elif quotes > FAST:
                fast += 2.0 / (FAST + 1) * (mid - fast)
            if quotes < SLOW:
                continue
            slow = total / SLOW
        else:
            fast += 2.0 / (FAST + 1) * (mid - fast)
            slow += 2.0 / (SLOW + 1) * (mid - slow)
        want = 1 if fast > slow else -1 if fast < slow else wanted
        if want == wanted:
            continue
        backtest.clear_inactive_orders(0)
        orders += 1
        if want > wanted:
            backtest.submit_buy_order(0, orders, ask, float(QUANTITY * (want - wanted)), GTC, MARKET, False)
        else:
            backtest.submit_sell_order(0, orders, bid, float(QUANTITY * (wanted - want)), GTC, MARKET, False)
        flips += wanted != 0
        wanted = want
    return quotes, flips, orders


@numba.njit
def fill_feed(feed, stamps, bids, asks, buy, sell):
    """Writes the feed's rows and returns how many they are."""
    count = 0
    for index in range(len(stamps)):
        first = index == 0
        bid_moved = first or bids[index] != bids[index - 1]
        ask_moved = first or asks[index] != asks[index - 1]
        # A quote that repeats the one before it is a row too.
        writes_bid = bid_moved or not ask_moved
        if bid_moved and not first:
            set_row(feed[count], buy, stamps[index], bids[index - 1], 0.0)
            count += 1
        if ask_moved and not first:
            set_row(feed[count], sell, stamps[index], asks[index - 1], 0.0)
            count += 1
        if writes_bid:
            set_row(feed[count], buy, stamps[index], bids[index], 1e6)
            count += 1
        if ask_moved:
            set_row(feed[count], sell, stamps[index], asks[index], 1e6)
            count += 1
    # The engine says "end" instead of "feed" with the last row: one more, an hour later.
    set_row(feed[count], buy, stamps[-1] + 3_600_000_000_000, bids[-1], 1e6)
    return count + 1


@numba.njit
def set_row(row, kind, stamp, price, quantity):
    row.ev = kind
    row.exch_ts = stamp
    row.local_ts = stamp
    row.px = price
    row.qty = quantity


def make_feed(stamps, bids, asks):
    feed = numpy.zeros(4 * len(stamps) + 1, event_dtype)
    kind = DEPTH_EVENT | EXCH_EVENT | LOCAL_EVENT
    return feed[: fill_feed(feed, stamps, bids, asks, kind | BUY_EVENT, kind | SELL_EVENT)]


def make_backtest(feed, lowest, highest):
    """A backtest over the feed, which must outlive it."""
    asset = (
        BacktestAsset()
        .data(feed)
        .linear_asset(1.0)
        .constant_order_latency(0, 0)
        .risk_adverse_queue_model()
        .no_partial_fill_exchange()
        .flat_per_trade_fee_model(0.0, 0.0)
        .tick_size(1.0 / peer.POINTS)
        .lot_size(1.0)
    )
    # The faster of its two books: levels in a vector, where the prices that can come are known.
    return ROIVectorMarketDepthBacktest([asset.roi_lb(lowest - 0.001).roi_ub(highest + 0.001)])


arguments = peer.arguments()
ns, bids, asks = peer.arrays(arguments.tape, arguments.events)
stamps = peer.unique_stamps(ns)
for count in (min(peer.WARM_UP, len(ns)), len(ns)):
    feed = make_feed(stamps[:count], bids[:count], asks[:count])
    backtest = make_backtest(feed, bids.min(), asks.max())
    with peer.Clock() as clock:
        quotes, flips, orders = cross(backtest)
    end = backtest.state_values(0)
    profit = peer.cents(end.balance - end.fee + end.position * (bids[-1] if end.position > 0 else asks[-1]))
    trades = end.num_trades
    backtest.close()
if quotes != len(ns) or trades != orders:
    raise SystemExit(f"hftbacktest showed {quotes} quotes of {len(ns)} and filled {trades} orders of {orders}")
notes = f"strategy compiled by numba; feed of {len(feed)} rows prepared before"
peer.report("hftbacktest", __version__, clock, quotes, flips, orders, profit, notes)
