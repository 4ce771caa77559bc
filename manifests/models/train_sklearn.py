#!/usr/bin/env python3
"""Trains hour_network.onnx, the model of manifests/onnx.yaml:

    pip install scikit-learn skl2onnx onnx numpy
    python3 manifests/models/train_sklearn.py [FILE]

The probability that EURUSD is higher after four hours, by a small neural network behind a scaler. A small example
of the whole way from bars to a graph, not a way to make money. The same libraries and data give the same file.
"""

import pathlib
import sys
import warnings

import onnx
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import hour_bars


def main():
    path = sys.argv[1] if len(sys.argv) > 1 else str(pathlib.Path(__file__).with_name("hour_network.onnx"))
    (rows, ahead), (later_rows, later_ahead) = hour_bars.dataset(hours=4)
    warnings.simplefilter("ignore")  # ten rounds are meant to be few
    model = make_pipeline(StandardScaler(), MLPClassifier(hidden_layer_sizes=(8,), max_iter=10, random_state=1))
    model.fit(rows, (ahead > 0).astype(int))
    print(f"{path}: right in {model.score(later_rows, (later_ahead > 0).astype(int)):.1%} of the hours for validation")
    # No ZipMap: probabilities as a tensor. Any number of rows at once.
    exported = convert_sklearn(
        model, name="hour_network", initial_types=[("columns", FloatTensorType([None, len(hour_bars.COLUMNS)]))], options={id(model): {"zipmap": False}},
        target_opset=17)
    exported.model_version = 1
    # The plugin reads the columns and their order from here.
    onnx.helper.set_model_props(exported, {"columns": ", ".join(hour_bars.COLUMNS)})
    with open(path, "wb") as file:
        file.write(exported.SerializeToString())


main()
