"""Random models of XGBoost and LightGBM, and what the libraries answer on random rows.

    random_models.py FOLDER SEED COUNT

writes for each model FOLDER/<n>.json, .ubj or .txt and, for it, FOLDER/<n>.rows (doubles, row by row) and
FOLDER/<n>.answers (doubles: first the raw sums of all rows, then the predictions), and prints one line of
JSON for each model. Rows hold missing values, zeros, infinities, thresholds of the model itself and its
neighbours, and categories that training never saw.
"""

import json
import sys
import warnings

import numpy as np

try:
    import lightgbm
    import xgboost
except ImportError as missing:
    print(f"skip: {missing.name} is not installed: pip install xgboost-cpu lightgbm", file=sys.stderr)
    sys.exit(77)

warnings.filterwarnings("ignore")


def table(rng, rows, columns, categorical, missing):
    """Training features: normal numbers, some of them whole, some columns of categories."""
    x = rng.normal(size=(rows, columns)) * rng.choice([1e-4, 1.0, 1e5], size=columns)
    for column in range(columns):
        if column in categorical:
            x[:, column] = rng.integers(0, rng.integers(3, 80), rows)
        elif rng.random() < 0.3:
            x[:, column] = np.round(rng.normal(size=rows) * 2)
    if missing:
        x[rng.random(x.shape) < rng.choice([0.02, 0.3])] = np.nan
    return x


def labels(rng, x, kind, classes):
    score = np.nan_to_num(x) @ rng.normal(size=x.shape[1])
    score = (score - score.mean()) / (score.std() + 1e-9) + rng.normal(size=len(x)) * 0.3
    if kind == "binary":
        return (score > 0).astype(float)
    if kind == "classes":
        return np.digitize(score, np.quantile(score, np.linspace(0, 1, classes + 1)[1:-1])).astype(float)
    if kind == "positive":
        return np.exp(np.clip(score, -3, 3))
    if kind == "share":
        return 1 / (1 + np.exp(-score))
    return score * rng.choice([1e-3, 1.0, 1e3])


def questions(rng, x, thresholds, categorical, with_infinities):
    """Rows to ask about: the table's own, shuffled, with what is hard put in."""
    rows = x[rng.integers(0, len(x), 200)].copy()
    for column in range(rows.shape[1]):
        rng.shuffle(rows[:, column])
    hard = rng.random(rows.shape)
    rows[hard < 0.06] = np.nan
    rows[(hard >= 0.06) & (hard < 0.10)] = 0.0
    rows[(hard >= 0.10) & (hard < 0.11)] = -0.0
    rows[(hard >= 0.11) & (hard < 0.12)] = 1e-36
    infinite = (hard >= 0.25) & (hard < 0.27) & with_infinities
    infinite[:, categorical] = False
    rows[infinite] = rng.choice([np.inf, -np.inf], size=infinite.sum())
    for row, column in zip(*np.where((hard >= 0.12) & (hard < 0.25))):
        if column in categorical:
            rows[row, column] = rng.choice([-1, -0.5, 2.7, 31, 32, 33, 1e6, 2147483646])
        elif thresholds.get(column):
            at = rng.choice(thresholds[column])
            rows[row, column] = rng.choice([at, np.nextafter(at, np.inf), np.nextafter(at, -np.inf), np.float32(at)])
    return rows


def xgboost_model(rng, path, form):
    kind, objective = [
        ("binary", "binary:logistic"), ("binary", "binary:logitraw"), ("binary", "binary:hinge"), ("classes", "multi:softprob"),
        ("classes", "multi:softmax"), ("number", "reg:squarederror"), ("number", "reg:absoluteerror"), ("number", "reg:pseudohubererror"),
        ("share", "reg:logistic"), ("positive", "count:poisson"), ("positive", "reg:gamma"), ("positive", "reg:tweedie"),
        ("number", "rank:pairwise"),
    ][rng.integers(13)]
    columns = int(rng.integers(1, 12))
    classes = int(rng.integers(3, 6))
    categorical = [c for c in range(columns) if rng.random() < 0.2] if rng.random() < 0.5 else []
    x = table(rng, 400, columns, categorical, rng.random() < 0.6)
    y = labels(rng, x, kind, classes)
    if objective == "rank:pairwise":
        y = np.clip(np.round(y), 0, 4)
    names = [f"f{c}" for c in range(columns)]
    data = xgboost.DMatrix(
        x, y, feature_names=names, feature_types=["c" if c in categorical else "float" for c in range(columns)], enable_categorical=True)
    if objective == "rank:pairwise":
        data.set_group([100] * 4)
    parameters = dict(
        objective=objective, max_depth=int(rng.integers(1, 9)), eta=float(rng.choice([0.1, 0.5, 1.0])), seed=int(rng.integers(1 << 30)),
        tree_method="hist", max_cat_to_onehot=int(rng.choice([1, 4, 100])), min_child_weight=0.1, nthread=1, verbosity=0,
        subsample=0.8, booster=str(rng.choice(["gbtree", "gbtree", "dart"])), grow_policy=str(rng.choice(["depthwise", "lossguide"])))
    if parameters["booster"] == "dart":
        parameters.update(rate_drop=0.3, normalize_type=str(rng.choice(["tree", "forest"])))
    if kind == "classes":
        parameters["num_class"] = classes
    if rng.random() < 0.2:
        parameters["num_parallel_tree"] = 3
    if rng.random() < 0.3 and kind != "classes":
        parameters["base_score"] = 0.25
    rounds = int(rng.choice([1, 5, 40]))
    booster = xgboost.train(parameters, data, rounds)
    best = None
    if rng.random() < 0.2:
        best = int(rng.integers(0, rounds))
        booster.set_attr(best_iteration=str(best))
    booster.save_model(path)
    thresholds = {}
    if form == "json":
        with open(path) as file:
            learner = json.load(file)["learner"]["gradient_booster"]
        for tree in learner.get("gbtree", learner)["model"]["trees"]:
            for at, feature, left in zip(tree["split_conditions"], tree["split_indices"], tree["left_children"]):
                if left >= 0 and len(thresholds.setdefault(feature, [])) < 200:
                    thresholds[feature].append(at)
    rows = questions(rng, x, thresholds, categorical, False)  # XGBoost refuses infinities
    if categorical:
        rows[:, categorical] = np.where(np.isnan(rows[:, categorical]), np.nan, np.abs(np.trunc(rows[:, categorical])) % 100)
    matrix = xgboost.DMatrix(rows, feature_names=names, feature_types=data.feature_types, enable_categorical=True)
    end = (0, best + 1) if best is not None else (0, 0)
    raw = booster.predict(matrix, output_margin=True, iteration_range=end)
    if objective == "multi:softmax":
        booster.set_param({"objective": "multi:softprob"})
    answers = booster.predict(matrix, iteration_range=end)
    return rows, raw, answers, objective, names


def lightgbm_model(rng, path):
    kind, objective = [
        ("binary", "binary"), ("classes", "multiclass"), ("classes", "multiclassova"), ("number", "regression"), ("number", "regression_l1"),
        ("number", "huber"), ("number", "quantile"), ("positive", "poisson"), ("positive", "gamma"), ("positive", "tweedie"),
        ("share", "cross_entropy"), ("share", "cross_entropy_lambda"),
    ][rng.integers(12)]
    columns = int(rng.integers(1, 12))
    classes = int(rng.integers(3, 6))
    categorical = [c for c in range(columns) if rng.random() < 0.25] if rng.random() < 0.5 else []
    x = table(rng, 500, columns, categorical, rng.random() < 0.6)
    y = labels(rng, x, kind, classes)
    parameters = dict(
        objective=objective, num_leaves=int(rng.choice([2, 7, 31, 80])), learning_rate=0.2, seed=int(rng.integers(1 << 30)), verbosity=-1,
        min_data_in_leaf=int(rng.choice([1, 5])), min_data_per_group=5, cat_smooth=1.0, max_cat_to_onehot=int(rng.choice([1, 4])),
        use_missing=bool(rng.random() < 0.8), zero_as_missing=bool(rng.random() < 0.3), num_threads=1, min_sum_hessian_in_leaf=1e-4,
        boosting=str(rng.choice(["gbdt", "gbdt", "rf", "dart"])), feature_fraction=0.9, deterministic=True)
    if parameters["boosting"] == "rf":
        parameters.update(bagging_freq=1, bagging_fraction=0.6)
    if kind == "classes":
        parameters["num_class"] = classes
    if objective in ("binary", "multiclassova"):
        parameters["sigmoid"] = float(rng.choice([1.0, 0.7, 2.5]))
    if objective == "regression" and rng.random() < 0.3:
        parameters["reg_sqrt"] = True
    names = [f"f{c}" for c in range(columns)]
    booster = lightgbm.train(
        parameters, lightgbm.Dataset(x, y, feature_name=names, categorical_feature=categorical, params={"verbosity": -1}), int(rng.choice([1, 5, 40])))
    booster.save_model(path)
    thresholds = {}
    with open(path) as file:
        features = []
        for line in file:
            if line.startswith("split_feature="):
                features = [int(word) for word in line.split("=")[1].split()]
            elif line.startswith("threshold="):
                for feature, word in zip(features, line.split("=")[1].split()):
                    if len(thresholds.setdefault(feature, [])) < 200:
                        thresholds[feature].append(float(word))
    rows = questions(rng, x, thresholds, categorical, True)
    raw = booster.predict(rows, raw_score=True)
    if parameters["boosting"] == "rf":  # a forest's mean is taken after the raw score
        raw = raw / booster.current_iteration()
    return rows, raw, booster.predict(rows), objective, names


def main():
    folder, seed, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        form = ["json", "ubj", "txt"][number % 3]
        path = f"{folder}/{number}.{form}"
        rows, raw, answers, objective, names = lightgbm_model(rng, path) if form == "txt" else xgboost_model(rng, path, form)
        np.asarray(rows, dtype=np.float64).tofile(f"{folder}/{number}.rows")
        np.concatenate([np.asarray(raw, dtype=np.float64).ravel(), np.asarray(answers, dtype=np.float64).ravel()]).tofile(f"{folder}/{number}.answers")
        print(json.dumps({"number": number, "file": path, "objective": objective, "columns": names, "rows": len(rows)}), flush=True)


main()
