"""Makes the models of the onnx plugin's tests and what onnxruntime says of random rows: models.py FOLDER SEED"""
import json
import os
import sys
import warnings

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

warnings.simplefilter("ignore")
folder, seed = sys.argv[1], int(sys.argv[2])
os.makedirs(folder)
random = np.random.default_rng(seed)
cases = {}
ROWS = 40


def save(name, model):
    with open(f"{folder}/{name}.onnx", "wb") as file:
        file.write(model.SerializeToString())


def session(name):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(f"{folder}/{name}.onnx", options, providers=["CPUExecutionProvider"])


def case(name, columns, rows, feeds, outputs=None):
    """Runs each feed by itself, as the plugin does."""
    run = session(name)
    names = outputs or [output.name for output in run.get_outputs()]
    answers = {output: [] for output in names}
    for feed in feeds:
        for output, answer in zip(names, run.run(names, feed)):
            answers[output].append([float(x) for x in np.asarray(answer).ravel()])
    cases[name] = {"columns": columns, "rows": [[float(x) for x in row] for row in rows], "outputs": answers}


def graph(name, nodes, inputs, outputs, weights={}, domains=(), ir_version=9, version=0, metadata={}):
    made = helper.make_model(
        helper.make_graph(
            nodes, name,
            [helper.make_tensor_value_info(n, t, s) for n, t, s in inputs],
            [helper.make_tensor_value_info(n, t, s) for n, t, s in outputs],
            [numpy_helper.from_array(array, key) for key, array in weights.items()]),
        opset_imports=[helper.make_opsetid("", 17)] + [helper.make_opsetid(domain, 1) for domain in domains])
    made.ir_version, made.model_version = ir_version, version
    helper.set_model_props(made, metadata)
    save(name, made)


X = random.normal(size=(300, 4))
y = (X @ [1.0, -2.0, 0.5, 0.0] + random.normal(size=300) > 0).astype(int)
rows = random.normal(size=(ROWS, 4))
columns = ["a", "b", "c", "d"]

# scikit-learn, one float input: label and probabilities.
classifier = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
save("logistic", convert_sklearn(classifier, initial_types=[("X", FloatTensorType([None, 4]))], options={id(classifier): {"zipmap": False}}))
case("logistic", columns, rows, [{"X": row[None].astype(np.float32)} for row in rows])
save("zipmap", convert_sklearn(classifier, initial_types=[("X", FloatTensorType([None, 4]))]))
texts = LogisticRegression().fit(X, np.where(y > 0, "up", "down"))
save("texts", convert_sklearn(texts, initial_types=[("X", FloatTensorType([None, 4]))], options={id(texts): {"zipmap": False}}))
three = LogisticRegression().fit(X, np.digitize(X[:, 0], [-0.5, 0.5]))
save("three", convert_sklearn(three, initial_types=[("X", FloatTensorType([None, 4]))], options={id(three): {"zipmap": False}}))
case("three", columns, rows, [{"X": row[None].astype(np.float32)} for row in rows])

# Doubles, trees and a neural network.
linear = LinearRegression().fit(X, X @ [1, 2, 3, 4])
save("doubles", convert_sklearn(linear, initial_types=[("X", DoubleTensorType([None, 4]))]))
case("doubles", columns, rows, [{"X": row[None]} for row in rows])
trees = GradientBoostingRegressor(n_estimators=30, random_state=seed).fit(X, X[:, 0] * X[:, 1])
save("trees", convert_sklearn(trees, initial_types=[("X", FloatTensorType([None, 4]))]))
case("trees", columns, rows, [{"X": row[None].astype(np.float32)} for row in rows])
network = MLPRegressor(hidden_layer_sizes=(16, 8), max_iter=30, random_state=seed).fit(X, X[:, 0] * X[:, 1])
save("network", convert_sklearn(network, initial_types=[("X", FloatTensorType([None, 4]))]))
case("network", columns, rows, [{"X": row[None].astype(np.float32)} for row in rows])

# One input a column, as skl2onnx makes them of a data frame.
frame = make_pipeline(ColumnTransformer([("scaled", StandardScaler(), [0, 2]), ("as it is", "passthrough", [1])]), LinearRegression())
frame.fit(X[:, :3], X[:, :3] @ [1, 2, 3])
save("frame", convert_sklearn(frame, initial_types=[(name, FloatTensorType([None, 1])) for name in ["a", "b", "c"]]))
case("frame", ["c", "d", "b", "a"], rows,
     [{"c": row[None, 0:1].astype(np.float32), "b": row[None, 2:3].astype(np.float32), "a": row[None, 3:4].astype(np.float32)} for row in rows])

# Sequences of 8 rows of 3 columns, in both layouts, and flat.
W, N = 8, 3
weights = {"w": random.normal(size=(W * N, 1)).astype(np.float32)}
walk = random.normal(size=(ROWS, N))
windows = [walk[end - W:end].astype(np.float32) for end in range(W, ROWS + 1)]
flat = [helper.make_node("Flatten", ["x"], ["f"], axis=1), helper.make_node("MatMul", ["f", "w"], ["m"]), helper.make_node("Tanh", ["m"], ["y"])]
for name, shape, feeds in [
    ("window_first", ["batch", W, N], [w[None] for w in windows]),
    ("columns_first", [1, N, W], [w.T[None] for w in windows]),
    ("flat", ["batch", W * N], [w.reshape(1, -1) for w in windows]),
    ("open", ["batch", "time", "width"], [w[None] for w in windows]),
]:
    graph(name, flat, [("x", TensorProto.FLOAT, shape)], [("y", TensorProto.FLOAT, ["batch", 1])], weights)
    case(name, ["a", "b", "c"], walk, [{"x": feed} for feed in feeds])
# A recurrent network over the window beside what is known now.
H = 4
recurrent = {
    "w": random.normal(size=(1, 4 * H, N)).astype(np.float32), "r": random.normal(size=(1, 4 * H, H)).astype(np.float32),
    "v": random.normal(size=(H + 1, 1)).astype(np.float32), "axes": np.array([0], np.int64)}
graph("recurrent",
      [helper.make_node("Transpose", ["seq"], ["t"], perm=[1, 0, 2]), helper.make_node("LSTM", ["t", "w", "r"], ["", "h"], hidden_size=H),
       helper.make_node("Squeeze", ["h", "axes"], ["s"]), helper.make_node("Concat", ["s", "now"], ["c"], axis=1), helper.make_node("MatMul", ["c", "v"], ["y"])],
      [("seq", TensorProto.FLOAT, [1, W, N]), ("now", TensorProto.FLOAT, [1, 1])], [("y", TensorProto.FLOAT, [1, 1])], recurrent)
case("recurrent", ["a", "b", "c"], walk, [{"seq": w[None], "now": w[-1:, 1:2]} for w in windows])

# Several outputs under the names of a prediction, and a version and columns in the metadata.
graph("named",
      [helper.make_node("ReduceSum", ["x"], ["value"], keepdims=1), helper.make_node("Sigmoid", ["value"], ["probability"]),
       helper.make_node("Constant", [], ["zero"], value=helper.make_tensor("", TensorProto.FLOAT, [], [0.0])),
       helper.make_node("Greater", ["value", "zero"], ["up"]), helper.make_node("Cast", ["up"], ["label"], to=TensorProto.INT64)],
      [("x", TensorProto.FLOAT, [None, 2])],
      [("label", TensorProto.INT64, None), ("value", TensorProto.FLOAT, None), ("probability", TensorProto.FLOAT, None)],
      version=7, metadata={"columns": "c, a"})
case("named", ["a", "b", "c"], rows[:, :3], [{"x": row[None, [2, 0]].astype(np.float32)} for row in rows])

# What must be refused, or fail as it runs.
one = [("y", TensorProto.FLOAT, None)]
graph("dynamic", [helper.make_node("ReduceSum", ["x"], ["y"], keepdims=0)], [("x", TensorProto.FLOAT, ["batch", "features"])], one)
graph("batch", [helper.make_node("ReduceSum", ["x"], ["y"], keepdims=0)], [("x", TensorProto.FLOAT, [8, 3])], one)
graph("integers", [helper.make_node("Identity", ["x"], ["y"])], [("x", TensorProto.INT64, [None, 3])], [("y", TensorProto.INT64, None)])
graph("deep", [helper.make_node("Identity", ["x"], ["y"])], [("x", TensorProto.FLOAT, [1, 3, 8, 8])], one)
graph("square", flat, [("x", TensorProto.FLOAT, ["batch", 3, 3])], one, {"w": np.ones((9, 1), np.float32)})
graph("custom", [helper.make_node("Magic", ["x"], ["y"], domain="our.ops")], [("x", TensorProto.FLOAT, [None, 3])], one, domains=["our.ops"])
graph("logarithm", [helper.make_node("Log", ["x"], ["y"])], [("x", TensorProto.FLOAT, [None, 1])], one)
graph("future", [helper.make_node("Identity", ["x"], ["y"])], [("x", TensorProto.FLOAT, [None, 1])], one, ir_version=999)

with open(f"{folder}/cases.json", "w") as file:
    json.dump(cases, file)
