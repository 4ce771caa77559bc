"""Writes the model of example.yaml: a logistic regression in ONNX's own operators. example.py FILE"""
import sys

import numpy as np
from onnx import TensorProto, helper, numpy_helper

columns = ["ema_10", "ema_20", "rsi_14"]
weights = {
    "means": np.array([0, 0, 50], np.float64), "weights": np.array([[20000], [-20000], [0.04]], np.float64),
    "zero": np.array(0, np.float64)}
model = helper.make_model(
    helper.make_graph(
        [helper.make_node("Sub", ["x", "means"], ["centred"]), helper.make_node("MatMul", ["centred", "weights"], ["value"]),
         helper.make_node("Sigmoid", ["value"], ["probability"]), helper.make_node("Greater", ["value", "zero"], ["up"]),
         helper.make_node("Cast", ["up"], ["label"], to=TensorProto.INT64)],
        "example", [helper.make_tensor_value_info("x", TensorProto.DOUBLE, ["batch", 3])],
        [helper.make_tensor_value_info("value", TensorProto.DOUBLE, ["batch", 1]), helper.make_tensor_value_info("probability", TensorProto.DOUBLE, ["batch", 1]),
         helper.make_tensor_value_info("label", TensorProto.INT64, ["batch", 1])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()]),
    opset_imports=[helper.make_opsetid("", 13)], producer_name="example.py")
model.ir_version, model.model_version = 7, 1
helper.set_model_props(model, {"columns": ", ".join(columns)})
with open(sys.argv[1], "wb") as file:
    file.write(model.SerializeToString())
