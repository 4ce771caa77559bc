#!/usr/bin/env python3
"""Trains hour_lightgbm.txt, another model for manifests/trees.yaml:

    pip install lightgbm numpy
    python3 manifests/models/train_lightgbm.py [FILE]

The probability that EURUSD is higher after four hours. A small example of the whole way from bars to a
graph, not a way to make money. The same library and data give the same file.
"""

import pathlib
import sys

import lightgbm

import hour_bars


def main():
    path = sys.argv[1] if len(sys.argv) > 1 else str(pathlib.Path(__file__).with_name("hour_lightgbm.txt"))
    (rows, ahead), (later_rows, later_ahead) = hour_bars.dataset(hours=4)
    data = lightgbm.Dataset(rows, ahead > 0, feature_name=hour_bars.COLUMNS)
    settings = dict(objective="binary", num_leaves=7, learning_rate=0.1, seed=1, num_threads=1, deterministic=True, verbosity=-1)
    booster = lightgbm.train(settings, data, num_boost_round=8)
    right = ((booster.predict(later_rows) > 0.5) == (later_ahead > 0)).mean()
    print(f"{path}: {booster.num_trees()} trees; right in {right:.1%} of the hours for validation")
    booster.save_model(path)


main()
