#!/usr/bin/env python3
"""What the paper broker has to say, computed a second time with fractions instead of integers.

Reads a script of events from stdin and writes the expected executions and accounts to stdout:

    config DEPOSIT SLIPPAGE PER_UNIT PER_FILL PERCENT DELAY RESPECT_SIZE WAIT MAX_OPEN CASH_DIGITS
    instrument PRICE_DIGITS QUANTITY_DIGITS TICK LOT CONTRACT TRADED
    tick INSTRUMENT TIME CHAIN BID ASK BID_SIZE ASK_SIZE          (doubles as hexadecimal text)
    order INSTRUMENT TIME CHAIN ACTION ID TARGET SIDE TYPE QUANTITY PRICE STOP TIF FLAGS EXPIRE ACCOUNT
    flush

    E KIND ORDER SIDE REASON QUANTITY PRICE LEAVES CUMULATIVE COMMISSION PROFIT POSITION INSTRUMENT
    A INITIAL BALANCE EQUITY UNREALISED COMMISSION EXPOSURE FILLS

Money is a Fraction of the currency throughout; only what is booked or shown is rounded.
"""
import math
import sys
from fractions import Fraction

NEW, MODIFY, CANCEL = 1, 2, 3
BUY, SELL = 1, 2
MARKET, LIMIT, STOP, STOP_LIMIT = 1, 2, 3, 4
GTC, IOC, FOK, GTD = 1, 2, 3, 4
REDUCE_ONLY, POST_ONLY = 1, 2
ACCEPTED, REJECTED, FILL, CANCELLED, MODIFIED, EXPIRED, TRIGGERED = 1, 2, 3, 4, 5, 6, 7
R_UNKNOWN_ORDER, R_UNKNOWN_INSTRUMENT, R_INVALID, R_NO_MARKET = 1, 2, 3, 4
R_UNFILLED, R_REQUESTED, R_EXPIRED, R_POST_ONLY, R_REDUCE_ONLY = 8, 9, 10, 11, 12


def decimal_or_value(x, digits):
    """The decimal that a double stands for, or the double's own exact value."""
    exact = Fraction(x) * 10**digits
    n = round(exact)
    return Fraction(n) if float(Fraction(n, 10**digits)) == x else exact


class Instrument:
    def __init__(self, price_digits, quantity_digits, tick, lot, contract, traded):
        self.pd, self.qd, self.tick, self.lot, self.contract = price_digits, quantity_digits, tick, lot, contract
        self.traded = traded
        self.quote = None  # (bid, ask, bid size, ask size, time, chain)
        self.left = None  # sizes left of the quote
        self.position = 0
        self.cost = Fraction(0)
        self.realised = Fraction(0)
        self.booked = Fraction(0)

    def price(self, buy):
        """The quoted price that an order of this side meets, on the tick grid."""
        units = decimal_or_value(self.quote[1] if buy else self.quote[0], self.pd) / self.tick
        return (math.ceil(units) if buy else math.floor(units)) * self.tick

    def value(self, price, quantity):
        return Fraction(price, 10**self.pd) * Fraction(quantity, 10**self.qd) * self.contract

    def fine(self):
        return Fraction(1, 10 ** (self.pd + self.qd))

    def size(self, buy):
        if self.left is None:
            self.left = [self.covering(self.quote[2]), self.covering(self.quote[3])]
        return self.left[1 if buy else 0]

    def covering(self, size):
        if size == 0:
            return None
        whole = math.floor(decimal_or_value(size, self.qd)) if size > 0 else 0
        return min(whole, 10**15) // self.lot * self.lot


class Oracle:
    def __init__(self):
        self.instruments, self.open, self.fills, self.commission = [], [], 0, Fraction(0)

    def config(self, deposit, slippage, per_unit, per_fill, percent, delay, respect, wait, max_open, cash_digits):
        self.deposit = self.balance = Fraction(deposit)
        self.slippage, self.delay, self.max_open = int(slippage), int(delay), int(max_open)
        self.per_unit, self.per_fill, self.percent = Fraction(per_unit), Fraction(per_fill), Fraction(percent)
        self.respect, self.wait = respect == "1", wait == "1"
        self.cent = Fraction(1, 10 ** int(cash_digits))

    # What is said.

    def execution(self, kind, order, reason=0, quantity=0, price=0, commission=0, profit=0):
        slot = order["instrument"] - 1
        position = self.instruments[slot].position if 0 <= slot < len(self.instruments) else 0
        leaves = 0 if kind in (REJECTED, CANCELLED, EXPIRED) else order["leaves"]
        filled = 0 if kind == REJECTED else order["quantity"] - order["leaves"]
        print("E", kind, order["id"], order["side"], reason, quantity, price, leaves, filled,
              commission / self.cent, profit / self.cent, position, order["instrument"])

    def account(self):
        unrealised = exposure = Fraction(0)
        for i in self.instruments:
            if i.position == 0:
                continue
            mark = i.price(buy=i.position < 0)
            open_profit = i.value(mark, i.position) - i.cost + (i.realised - i.booked)
            unrealised += math.floor(open_profit / self.cent) * self.cent
            exposure += math.ceil(i.value(mark, abs(i.position)) / self.cent) * self.cent
        cents = [x / self.cent for x in (self.deposit, self.balance, self.balance + unrealised, unrealised, self.commission, exposure)]
        print("A", *cents, self.fills)

    # What happens.

    def tick(self, number, time, chain, bid, ask, bid_size, ask_size):
        if not 1 <= number <= len(self.instruments) or not (0 < bid <= ask < math.inf):
            return
        i = self.instruments[number - 1]
        i.quote, i.left = (bid, ask, bid_size, ask_size, time, chain), None
        for order in [o for o in self.open if o["instrument"] == number]:
            if order["tif"] == GTD and time >= order["expire"]:
                self.end(order, EXPIRED, R_EXPIRED)
            elif self.may_fill(order, i):
                self.meet(order, i)

    def may_fill(self, order, i):
        if i.quote is None:
            return False
        since = order["time"] + self.delay
        return i.quote[4] > since or (i.quote[4] == since and (self.delay > 0 or i.quote[5] >= order["chain"]))

    def end(self, order, kind, reason):
        if order in self.open:
            self.open.remove(order)
        order["done"] = True
        self.execution(kind, order, reason)

    def is_valid(self, o, i, now):
        return (o["id"] != 0 and o["account"] == 0 and 0 < o["quantity"] <= 2**60 and o["quantity"] % i.lot == 0
                and o["side"] in (BUY, SELL) and o["type"] in (MARKET, LIMIT, STOP, STOP_LIMIT)
                and o["tif"] in (GTC, IOC, FOK, GTD) and o["flags"] & ~3 == 0
                and (o["type"] not in (LIMIT, STOP_LIMIT) or (o["price"] > 0 and o["price"] % i.tick == 0))
                and (o["type"] not in (STOP, STOP_LIMIT) or (o["stop"] > 0 and o["stop"] % i.tick == 0))
                and (o["tif"] != GTD or o["expire"] > now)
                and (not o["flags"] & POST_ONLY or (o["type"] == LIMIT and o["tif"] in (GTC, GTD))))

    def order(self, o):
        action = o["action"]
        if action == NEW:
            self.place(o)
        elif action in (MODIFY, CANCEL):
            target = next((t for t in self.open if t["id"] == o["target"]), None)
            if target is None:
                self.execution(REJECTED, o, R_UNKNOWN_ORDER)
            elif action == CANCEL:
                self.end(target, CANCELLED, R_REQUESTED)
            else:
                self.modify(o, target)
        else:
            self.execution(REJECTED, o, R_INVALID)

    def place(self, o):
        slot = o["instrument"] - 1
        if not 0 <= slot < len(self.instruments) or not self.instruments[slot].traded:
            return self.execution(REJECTED, o, R_UNKNOWN_INSTRUMENT)
        i = self.instruments[slot]
        if not self.is_valid(o, i, o["time"]) or any(t["id"] == o["id"] for t in self.open) or len(self.open) >= self.max_open:
            return self.execution(REJECTED, o, R_INVALID)
        if i.quote is None and not self.wait:
            return self.execution(REJECTED, o, R_NO_MARKET)
        if o["flags"] & REDUCE_ONLY and self.reducible(o, i) == 0:
            return self.execution(REJECTED, o, R_REDUCE_ONLY)
        if o["flags"] & POST_ONLY and self.may_fill(o, i) and self.reaches(o, i):
            return self.execution(REJECTED, o, R_POST_ONLY)
        self.execution(ACCEPTED, o)
        self.open.append(o)
        if self.may_fill(o, i):
            self.meet(o, i)

    def modify(self, o, target):
        i = self.instruments[target["instrument"] - 1]
        changed = dict(target)
        changed["quantity"] = o["quantity"]
        if target["type"] in (LIMIT, STOP_LIMIT):
            changed["price"] = o["price"]
        if target["type"] in (STOP, STOP_LIMIT) and not target["triggered"]:
            changed["stop"] = o["stop"]
        if target["tif"] == GTD:
            changed["expire"] = o["expire"]
        filled = target["quantity"] - target["leaves"]
        if not self.is_valid(changed, i, o["time"]) or o["quantity"] <= filled:
            return self.execution(REJECTED, o, R_INVALID)
        changed.update(leaves=o["quantity"] - filled, time=o["time"], chain=o["chain"], fresh=True)
        if changed["flags"] & POST_ONLY and self.may_fill(changed, i) and self.reaches(changed, i):
            return self.execution(REJECTED, o, R_POST_ONLY)
        target.update(changed)
        self.execution(MODIFIED, target)
        if self.may_fill(target, i):
            self.meet(target, i)

    def reducible(self, o, i):
        return max(0, -i.position if o["side"] == BUY else i.position)

    def reaches(self, o, i):
        quote = i.price(o["side"] == BUY)
        return quote <= o["price"] if o["side"] == BUY else quote >= o["price"]

    def meet(self, o, i):
        buy = o["side"] == BUY
        quote = i.price(buy)
        if o["type"] in (STOP, STOP_LIMIT) and not o["triggered"]:
            if not (quote >= o["stop"] if buy else quote <= o["stop"]):
                return
            o["triggered"] = o["fresh"] = True
            self.execution(TRIGGERED, o)
        taker, o["fresh"] = o["fresh"], False
        limited = o["type"] in (LIMIT, STOP_LIMIT)
        immediate = o["tif"] in (IOC, FOK)
        if limited and not self.reaches(o, i):
            if immediate:
                self.end(o, CANCELLED, R_UNFILLED)
            return
        if o["flags"] & POST_ONLY and taker:
            return self.end(o, CANCELLED, R_POST_ONLY)
        quantity = o["leaves"]
        if o["flags"] & REDUCE_ONLY:
            quantity = min(quantity, self.reducible(o, i))
            if quantity == 0:
                return self.end(o, CANCELLED, R_REDUCE_ONLY)
        if self.respect and i.size(buy) is not None:
            quantity = min(quantity, i.size(buy))
        if o["tif"] == FOK and quantity < o["leaves"]:
            quantity = 0
        if quantity > 0:
            price = o["price"]
            if taker or not limited:
                slip = self.slippage * i.tick
                price = quote + slip if buy else max(quote - slip, i.tick)
                if limited:
                    price = min(price, o["price"]) if buy else max(price, o["price"])
            self.fill(o, i, quantity, price)
        if o["leaves"] == 0:
            self.open.remove(o)
        elif immediate:
            self.end(o, CANCELLED, R_UNFILLED)
        elif o["flags"] & REDUCE_ONLY and self.reducible(o, i) == 0:
            self.end(o, CANCELLED, R_REDUCE_ONLY)

    def fill(self, o, i, quantity, price):
        buy = o["side"] == BUY
        sign = 1 if buy else -1
        closing = min(quantity, self.reducible(o, i))
        if closing:
            # The share of the cost that goes is a whole number of the smallest exact amounts.
            whole = i.cost / i.fine()
            share = i.cost if closing == abs(i.position) else round(whole * closing / abs(i.position)) * i.fine()
            i.realised += -i.value(price, sign * closing) - share
            i.cost -= share
        i.cost += i.value(price, sign * (quantity - closing))
        i.position += sign * quantity
        if self.respect and i.size(buy) is not None:
            i.left[1 if buy else 0] -= quantity
        booked = math.floor(i.realised / self.cent) * self.cent
        profit, i.booked = booked - i.booked, booked
        owed = self.per_unit * Fraction(quantity, 10**i.qd) + self.per_fill + self.percent / 100 * i.value(price, quantity)
        commission = math.ceil(owed / self.cent) * self.cent
        self.balance += profit - commission
        self.commission += commission
        self.fills += 1
        o["leaves"] -= quantity
        self.execution(FILL, o, 0, quantity, price, commission, profit)
        self.account()


def main():
    oracle = Oracle()
    names = ["instrument", "time", "chain", "action", "id", "target", "side", "type", "quantity", "price", "stop", "tif", "flags", "expire", "account"]
    for line in sys.stdin:
        word, *rest = line.split()
        if word == "config":
            oracle.config(*rest)
        elif word == "instrument":
            *numbers, traded = map(int, rest)
            oracle.instruments.append(Instrument(*numbers, traded == 1))
        elif word == "tick":
            oracle.tick(*map(int, rest[:3]), *map(float.fromhex, rest[3:]))
        elif word == "order":
            order = dict(zip(names, map(int, rest)))
            order.update(leaves=order["quantity"], fresh=True, triggered=False)
            oracle.order(order)
        elif word == "flush":
            oracle.account()


main()
