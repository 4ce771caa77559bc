"""The rule in plain Python, to the last operation the arithmetic of Baselines/fused.c.

EMA(10) and EMA(20) of the mid, each begun with the mean of its first period; 10,000 units long while the
fast one is above the slow one, short while it is below, turned by one market order that fills on the
quote it comes with.
"""

import sys

from peer import FAST, POINTS, QUANTITY, SLOW


def run(quotes, deals=None):
    """Flips, orders and net profit in cents of quotes (ns, bid, ask). Appends the price in points and the
    signed units of each deal to `deals`."""
    fast_step, slow_step = 2.0 / (FAST + 1), 2.0 / (SLOW + 1)
    fast = slow = total = 0.0
    seen = wanted = position = open_price = cash = flips = orders = 0
    for _, bid, ask in quotes:
        mid = (bid + ask) * 0.5
        if seen < SLOW:
            seen += 1
            total += mid
            if seen == FAST:
                fast = total / FAST
            elif seen > FAST:
                fast += fast_step * (mid - fast)
            if seen < SLOW:
                continue
            slow = total / SLOW
        else:
            fast += fast_step * (mid - fast)
            slow += slow_step * (mid - slow)
        value = fast - slow
        want = QUANTITY if value > 0 else -QUANTITY if value < 0 else wanted
        if want == wanted:
            continue
        price = round((ask if want > wanted else bid) * POINTS)
        cash += position * (price - open_price)
        if deals is not None:
            deals.append((price, want - wanted))
        flips += wanted != 0
        wanted = position = want
        open_price = price
        orders += 1
    last = round((bid if position > 0 else ask) * POINTS)
    return flips, orders, (cash + position * (last - open_price)) * 100 // POINTS


def profit(deals, last):
    """Net profit in cents of deals (price in points, signed units); what is open at the end is valued at
    the bid or ask of the last quote."""
    position = sum(units for _, units in deals)
    mark = round((last[1] if position > 0 else last[2]) * POINTS)
    return sum(units * (mark - price) for price, units in deals) * 100 // POINTS


def version():
    return "Python " + ".".join(map(str, sys.version_info[:3]))
