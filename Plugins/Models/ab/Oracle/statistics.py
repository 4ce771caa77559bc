"""The statistics of the ab plugin, computed in another way: statistics.py EVENTS.json, prints JSON.

Events come in order: {"kind": "tick", "t", "i", "mid"} or {"kind": "said", "t", "i", "arm", "value", "p", "chain"}.
"""
import json
import sys

import numpy as np
from scipy import integrate, stats

task = json.load(open(sys.argv[1]))
arms, horizon, effect, least = task["arms"], task["horizon"], task["effect"], task["min_outcomes"]
owner = task["owner"]

# Outcomes: what all arms said in one chain, the price then, and the first price after the horizon.
found = []
for instrument in sorted({event["i"] for event in task["events"]}):
    events = [event for event in task["events"] if event["i"] == instrument]
    place = 0
    while place < len(events):
        start = events[place]
        known = [event["mid"] for event in events[:place] if event["kind"] == "tick"]
        if start["kind"] != "said" or start["value"] is None or not known:
            place += 1
            continue
        said = {event["arm"]: event for event in events if event["kind"] == "said" and event["chain"] == start["chain"] and event["value"] is not None}
        later = [index for index in range(place, len(events)) if events[index]["kind"] == "tick" and events[index]["t"] >= start["t"] + horizon]
        if not later:
            break
        change = events[later[0]]["mid"] / known[-1] - 1
        if change != 0:
            found.append((task["events"].index(events[later[0]]), instrument, change, said))
        place = later[0] + 1
found.sort(key=lambda outcome: outcome[0])


def number(x):
    return None if x is None or not np.isfinite(x) else float(x)


def direction(event):
    return np.sign(event["value"] if event["p"] is None else event["p"] - 0.5)


answer = {"outcomes": len(found), "arms": []}
for arm in range(arms):
    mine = [(o[2] > 0, o[3][arm]["p"]) for o in found if arm in o[3] and o[3][arm]["p"] is not None]
    y = np.array([float(a) for a, _ in mine])
    p = np.array([b for _, b in mine])
    moves = [(direction(o[3][arm]), o[2], o[1]) for o in found if arm in o[3] and direction(o[3][arm]) != 0]
    owned = [d * change for d, change, i in moves if owner[i - 1] == arm]
    edges = np.linspace(0, 1, 11)[1:-1]
    bins = np.digitize(p, edges)
    clipped = np.clip(p, 1e-15, 1 - 1e-15)
    losses = {o[0]: (o[3][arm]["p"] - (o[2] > 0)) ** 2 for o in found if arm in o[3] and o[3][arm]["p"] is not None}
    answer["arms"].append({
        "scored": len(p), "brier": number(np.mean((p - y) ** 2)) if len(p) else None,
        "log_loss": number(-np.mean(stats.bernoulli.logpmf(y.astype(int), clipped))) if len(p) else None,
        "hit_rate": number(np.mean([d == np.sign(c) for d, c, _ in moves])) if moves else None,
        "mean_return": number(np.mean(owned)) if owned else None,
        "bins": [[int(np.sum(bins == b)), number(p[bins == b].mean()) if np.any(bins == b) else None, number(y[bins == b].mean()) if np.any(bins == b) else None] for b in range(10)],
        "losses": losses})

# The mixture of likelihood ratios by numerical integration over the effects.
first = answer["arms"][0]["losses"]
for arm in range(arms):
    losses = answer["arms"][arm].pop("losses")
    if arm == 0:
        continue
    d = np.array([first[key] - losses[key] for key in sorted(first) if key in losses])
    best = 1.0
    for n in range(max(least, 2), len(d) + 1):
        mean, variance = np.mean(d[:n]), np.var(d[:n], ddof=1)
        if variance == 0:
            continue
        # The integrand is a normal density times a constant: integrate around its peak.
        precision = n / variance + 1 / effect**2
        peak, width = (n * mean / variance) / precision, precision**-0.5
        height = n * mean * peak / variance - n * peak**2 / (2 * variance)
        area, _ = integrate.quad(
            lambda x: stats.norm.pdf(x, 0, effect) * np.exp(n * mean * x / variance - n * x * x / (2 * variance) - height), peak - 12 * width, peak + 12 * width,
            epsabs=0, epsrel=1e-10)
        best = min(best, np.exp(-height) / area)
    answer["arms"][arm]["p_value"] = best
    answer["arms"][arm]["difference"] = number(np.mean(d)) if len(d) else None
print(json.dumps(answer))
