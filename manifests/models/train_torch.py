#!/usr/bin/env python3
"""Trains hour_torch.onnx, the model of manifests/sequence.yaml:

    pip install torch onnx onnxscript numpy
    python3 manifests/models/train_torch.py [FILE]

A small recurrent network (GRU) over the last 24 hour bars of EURUSD says how many thousandths the price
will change in the next four hours. The columns' means and deviations are part of the model, and so are
the columns' names. A small example of the whole way from bars to a graph, not a way to make money. The same
library and data give the same file.
"""

import logging
import pathlib
import sys
import warnings

import numpy as np
import onnx
import torch

import hour_bars

HOURS = 4
WINDOW = 24
EPOCHS = 2
UNIT = 0.001


class Sequence(torch.nn.Module):
    """[1, window, columns] to one number."""

    def __init__(self, rows):
        super().__init__()
        self.register_buffer("mean", torch.tensor(rows.mean(axis=0), dtype=torch.float32))
        self.register_buffer("deviation", torch.tensor(rows.std(axis=0), dtype=torch.float32))
        self.memory = torch.nn.GRU(rows.shape[1], 8, batch_first=True)
        self.head = torch.nn.Linear(8, 1)

    def forward(self, rows):
        _, last = self.memory((rows - self.mean) / self.deviation)
        return self.head(last[0])


def windows(rows, ahead, step):
    """Every `step`th window of rows, and what came after its last row, in thousandths."""
    last = np.arange(WINDOW - 1, len(rows), step)
    views = np.lib.stride_tricks.sliding_window_view(rows, WINDOW, axis=0).transpose(0, 2, 1)
    inputs = torch.tensor(views[last - WINDOW + 1], dtype=torch.float32)
    return inputs, torch.tensor(ahead[last, None] / UNIT, dtype=torch.float32)


def train(model, inputs, targets):
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(inputs)).split(512):
            optimizer.zero_grad()
            torch.nn.functional.smooth_l1_loss(model(inputs[batch]), targets[batch]).backward()
            optimizer.step()


def export(model, path):
    """Writes the model with its columns' names; batch 1, weights inside."""
    example = torch.zeros(1, WINDOW, len(hour_bars.COLUMNS))
    # What its exporter warns of is its own: modules of torch that are not installed, names of its own buffers.
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    program = torch.onnx.export(
        model, (example,), input_names=["rows"], output_names=["value"], external_data=False, verbose=False
    )
    proto = program.model_proto
    # The exporter notes the place of each line of this script: the file would depend on where it lies.
    for part in [*proto.graph.node, *proto.graph.input, *proto.graph.output, *proto.graph.value_info, *proto.graph.initializer]:
        del part.metadata_props[:]
    del proto.graph.metadata_props[:]
    onnx.helper.set_model_props(proto, {"columns": ", ".join(hour_bars.COLUMNS)})
    onnx.checker.check_model(proto)
    onnx.save(proto, path)


def compare(model, path, inputs):
    """Says how far the file's answers are from torch's; without onnxruntime, nothing."""
    try:
        import onnxruntime
    except ImportError:
        return
    session = onnxruntime.InferenceSession(path)
    with torch.no_grad():
        worst = max(abs(session.run(None, {"rows": one.numpy()})[0] - model(one).numpy()).max() for one in inputs.split(1))
    print(f"{path}: {worst:.1e} from torch's answers at most, over {len(inputs)} windows")
    if worst > 1e-6:
        sys.exit("error: the file does not answer as torch does")


def main():
    path = sys.argv[1] if len(sys.argv) > 1 else str(pathlib.Path(__file__).with_name("hour_torch.onnx"))
    torch.manual_seed(1)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    (rows, ahead), (later_rows, later_ahead) = hour_bars.dataset(hours=HOURS)
    model = Sequence(rows)
    train(model, *windows(rows, ahead, step=HOURS))
    model.eval()
    with torch.no_grad():
        inputs, targets = windows(later_rows, later_ahead, step=HOURS)
        right = (torch.sign(model(inputs)) == torch.sign(targets)).double().mean().item()
    print(f"{path}: {sum(p.numel() for p in model.parameters())} weights; the sign is right in {right:.1%} of the hours for validation")
    export(model, path)
    compare(model, path, inputs[::10])


main()
