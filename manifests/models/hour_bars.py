"""EURUSD hour bars as the training scripts use them: the features that the plugin `indicators` computes
from the same bars, under the same names, and what came after each bar.

The bars are QuantConnect LEAN's (Oanda, since 2007), found in GANTRY_DATA or ../shared/data beside the
repository; a file's lines are time, bid open high low close, bid size, ask open high low close, ask size.
"""

import csv
import io
import os
import pathlib
import sys
import zipfile

import numpy as np

COLUMNS = ["rsi_14", "zscore_20", "return_1", "return_5", "return_24"]


def closes():
    """Mid closes of all hours, oldest first."""
    root = pathlib.Path(os.environ.get("GANTRY_DATA", pathlib.Path(__file__).parents[3] / "shared" / "data"))
    path = root / "lean" / "forex" / "oanda" / "hour" / "eurusd.zip"
    if not path.exists():
        print(f"error: no hour bars in {path}; set GANTRY_DATA", file=sys.stderr)
        sys.exit(65)
    with zipfile.ZipFile(path) as archive, archive.open(archive.namelist()[0]) as file:
        rows = csv.reader(io.TextIOWrapper(file))
        return np.array([(float(row[4]) + float(row[9])) / 2 for row in rows])


def rsi(close, period):
    """Wilder's index: both means begin with those of the first changes, then move by 1 / period."""
    change = np.diff(close)
    gain, loss = np.maximum(change, 0), np.maximum(-change, 0)
    values = np.full(len(close), np.nan)
    up, down = gain[:period].mean(), loss[:period].mean()
    for index in range(period, len(close)):
        if index > period:
            up += (gain[index - 1] - up) / period
            down += (loss[index - 1] - down) / period
        values[index] = 50 if up + down == 0 else 100 * up / (up + down)
    return values


def features(close):
    """One row a bar, NaN where the past is too short; free of the price's level."""
    windows = np.lib.stride_tricks.sliding_window_view(close, 20)
    zscore = np.full(len(close), np.nan)
    deviation = windows.std(axis=1)
    zscore[19:] = np.divide(close[19:] - windows.mean(axis=1), deviation, out=np.zeros(len(deviation)), where=deviation > 0)

    def change(hours):
        values = np.full(len(close), np.nan)
        values[hours:] = close[hours:] / close[:-hours] - 1
        return values

    return np.column_stack([rsi(close, 14), zscore, change(1), change(5), change(24)])


def dataset(hours):
    """Rows whose next `hours` are known, and the return over these; the last fifth is for validation."""
    close = closes()
    rows = features(close)[24:-hours]
    ahead = close[24 + hours :] / close[24:-hours] - 1
    split = len(rows) * 4 // 5
    return (rows[:split], ahead[:split]), (rows[split:], ahead[split:])
