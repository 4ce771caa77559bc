#!/usr/bin/env python3
"""Trains hour_xgboost.json, the model of manifests/trees.yaml:

    pip install xgboost-cpu numpy
    python3 manifests/models/train_xgboost.py [FILE]

Three classes for the next four hours of EURUSD: 0 down, 1 flat (less than 0.1 % either way), 2 up. A small
example of the whole way from bars to a graph, not a way to make money. The same library and data give
the same file.
"""

import pathlib
import sys

import numpy as np
import xgboost

import hour_bars

FLAT = 0.001


def main():
    path = sys.argv[1] if len(sys.argv) > 1 else str(pathlib.Path(__file__).with_name("hour_xgboost.json"))
    (rows, ahead), (later_rows, later_ahead) = hour_bars.dataset(hours=4)

    def matrix(rows, ahead):
        return xgboost.DMatrix(rows, np.digitize(ahead, [-FLAT, FLAT]), feature_names=hour_bars.COLUMNS)

    settings = dict(objective="multi:softprob", num_class=3, max_depth=2, eta=0.3, subsample=0.8, seed=1, nthread=1, eval_metric="mlogloss")
    booster = xgboost.train(settings, matrix(rows, ahead), num_boost_round=5)
    print(f"{path}: {booster.num_boosted_rounds()} rounds of 3 trees; validation {booster.eval(matrix(later_rows, later_ahead))}")
    booster.save_model(path)


main()
