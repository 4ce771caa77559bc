#!/usr/bin/env python3
"""The results of exact money arithmetic, computed with fractions.

Reads questions from stdin, one a line, and answers each with one integer or "overflow":

    divide VALUE DIVISOR ROUNDING
    rescale VALUE FROM TO ROUNDING
    share WHOLE PART TOTAL ROUNDING
    price DOUBLE(hexadecimal) DIGITS TICK ROUNDING
    cash PRICE QUANTITY CONTRACT FINE_DIGITS CASH_DIGITS ROUNDING
    covering SIZE(hexadecimal) DIGITS LOT
"""
import math
import sys
from fractions import Fraction


def rounded(x, how):
    if how == "down":
        return math.floor(x)
    if how == "up":
        return math.ceil(x)
    if how == "halfEven":
        return round(x)
    if how == "towardZero":
        return math.trunc(x)
    return math.ceil(x) if x > 0 else math.floor(x)


def narrow(n, bits):
    return n if -(2 ** (bits - 1)) <= n < 2 ** (bits - 1) else "overflow"


def stands_for(x, digits):
    """The decimal whose nearest double this is, else the double's own value; times 10^digits."""
    exact = Fraction(x) * 10**digits
    n = round(exact)
    if float(Fraction(n, 10**digits)) == x:
        return Fraction(n)
    # A double can stand for the middle between two of them as well.
    middle = Fraction(2 * math.floor(exact) + 1, 2)
    return middle if float(middle / 10**digits) == x else exact


def answer(word, *rest):
    how = rest[-1]
    if word == "divide":
        return narrow(rounded(Fraction(int(rest[0]), int(rest[1])), how), 128)
    if word == "rescale":
        return narrow(rounded(int(rest[0]) * Fraction(10) ** (int(rest[2]) - int(rest[1])), how), 128)
    if word == "share":
        whole, part, total = map(int, rest[:3])
        if part != total and narrow(whole * part, 128) == "overflow":
            return "overflow"
        return narrow(rounded(Fraction(whole * part, total), how), 128)
    if word == "price":
        tick = int(rest[2])
        return rounded(stands_for(float.fromhex(rest[0]), int(rest[1])) / tick, how) * tick
    if word == "cash":
        price, quantity, contract, fine, cash = map(int, rest[:5])
        value = price * quantity * contract
        if narrow(value, 128) == "overflow" or (fine < cash and narrow(value * 10 ** (cash - fine), 128) == "overflow"):
            return "overflow"
        return narrow(rounded(Fraction(value) * Fraction(10) ** (cash - fine), how), 64)
    size, digits, lot = float.fromhex(rest[0]), int(rest[1]), int(rest[2])
    return min(math.floor(stands_for(size, digits)), 10**15) // lot * lot


for line in sys.stdin:
    print(answer(*line.split()))
