# %% [markdown]
# # A model from a notebook to a gateway
#
# The cells make a history, train a model on it, and turn both into a bundle. Jupyter, VS Code and Spyder run
# them one by one, `python pump.py` all of them. What they make goes to `build/notebook`.

# %%
from datetime import UTC, datetime, timedelta
from pathlib import Path

import keras
import numpy as np

from converter import convert, evaluate

folder = Path("build/notebook")
folder.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## The history
#
# Five minutes of a pump at 10 Hz, as a historian exports it: when, two signals, and what was found later.

# %%
rows, window = 3000, 10
random = np.random.default_rng(5)
worn = np.repeat([0, 1, 0, 1], rows // 4)
vibration = random.normal(2.1, 0.3, rows) + worn * random.gamma(2.0, 0.9, rows)
temperature = random.normal(41, 1.5, rows) + 3 * worn
start = datetime(2026, 3, 2, 6, tzinfo=UTC)
times = [(start + timedelta(seconds=row / 10)).isoformat() for row in range(rows)]

history = folder / "history.csv"
lines = [
    f"{at},{v:.3f},{t:.2f},{label}"
    for at, v, t, label in zip(times, vibration, temperature, worn, strict=True)
]
history.write_text("\n".join(["time,vibration,temperature,label", *lines]), encoding="utf-8")

# %% [markdown]
# ## The model
#
# It takes the last ten rows in engineering units: the scaling is a layer of the model, so that nobody has to
# write it down.

# %%
keras.utils.set_random_seed(1)
signals = np.column_stack([vibration, temperature]).astype(np.float32)
ends = np.arange(window - 1, rows)
windows = signals[ends[:, None] + np.arange(1 - window, 1)]

scaling = keras.layers.Normalization()
scaling.adapt(signals)
model = keras.Sequential(
    [
        keras.Input((window, 2)),
        scaling,
        keras.layers.Flatten(),
        keras.layers.Dense(16, activation="relu"),
        keras.layers.Dense(1, activation="sigmoid"),
    ]
)
model.compile(optimizer="adam", loss="binary_crossentropy")
model.fit(windows, worn[ends], epochs=3, verbose=0)
model.save(folder / "pump.keras")

# %% [markdown]
# ## The bundle
#
# There is no card, so one is inferred from the header of the history and the shape of the model. It is worth
# keeping and correcting: units, limits and the names on the machine are not in either file.

# %%
report = convert(folder / "pump.keras", history, None, folder / "pump.bundle", "float32")
(folder / "pump.toml").write_text(report.card, encoding="utf-8")
print(report.card)
print(f"{report.recipe}: wrong by at most {report.comparison.fraction:.2e} of the output's range")

# %% [markdown]
# ## What the gateway will make of it
#
# The same rows through the model as it was, the converted model, and the gateway's own path.

# %%
found = evaluate(folder / "pump.bundle", history, card=folder / "pump.toml", model=folder / "pump.keras")
for path, metrics in found.outputs[0].paths.items():
    print(f"{path:9} accuracy {metrics['accuracy']:.4f}  ROC AUC {metrics['roc_auc']:.4f}")
