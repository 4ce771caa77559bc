"""The models that are measured: 100 trees of depth 6 on 30 features, by both libraries, and rows to ask about.

    train.py FOLDER

writes xgboost.json, lightgbm.txt and rows.bin (4,096 rows of doubles, one in fifty missing).
"""

import sys

import lightgbm
import numpy as np
import xgboost

FEATURES = 30


def main():
    folder = sys.argv[1]
    rng = np.random.default_rng(1)
    x = rng.normal(size=(20_000, FEATURES))
    score = x[:, 0] * x[:, 1] + np.sin(3 * x[:, 2]) + x[:, 3:] @ rng.normal(size=FEATURES - 3) * 0.2
    y = (score + rng.normal(size=len(x)) > 0).astype(int)
    x[rng.random(x.shape) < 0.02] = np.nan
    names = [f"f{index}" for index in range(FEATURES)]
    booster = xgboost.train(
        dict(objective="binary:logistic", max_depth=6, eta=0.1, seed=1), xgboost.DMatrix(x, y, feature_names=names), num_boost_round=100)
    booster.save_model(f"{folder}/xgboost.json")
    settings = dict(objective="binary", max_depth=6, num_leaves=64, learning_rate=0.1, seed=1, verbosity=-1)
    lightgbm.train(settings, lightgbm.Dataset(x, y, feature_name=names), 100).save_model(f"{folder}/lightgbm.txt")
    x[:4096].tofile(f"{folder}/rows.bin")


main()
