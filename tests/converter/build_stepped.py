"""Train a small model on features that are computed here, in plain numpy, into the folder in argv.

Two pumps of different rated power, a row a minute. The features are the vibration between its training
extremes, the power as a share of the rated one, the vibration's root mean square over five rows, and the hour
of the day; all but the hour standardised.
"""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import keras
import numpy as np

ROWS, WINDOW, MEMORY = 400, 4, 4
folder = Path(sys.argv[1])
keras.utils.set_random_seed(3)
rng = np.random.default_rng(7)

lines = ["when,pump,vib,power,rated,worn"]
raw = []
for pump, rated in ((0, 55.0), (1, 75.0)):
    worn = (np.arange(ROWS) % 100) > 60
    vib = np.round(1 + 0.2 * rng.normal(size=ROWS) + 1.5 * worn, 3)
    power = np.round(rated * (0.6 + 0.05 * rng.normal(size=ROWS) + 0.1 * worn), 3)
    start = datetime(2024, 1, 1 + pump, 5, 0, tzinfo=UTC)
    times = [start + timedelta(minutes=i) for i in range(ROWS)]
    raw.append((vib, power, rated, times, worn))
    lines += [
        f"{t.isoformat()},{pump},{v:.3f},{p:.3f},{rated:g},{int(w)}"
        for t, v, p, w in zip(times, vib, power, worn, strict=True)
    ]
(folder / "data.csv").write_text("\n".join(lines) + "\n")

low, high = min(r[0].min() for r in raw), max(r[0].max() for r in raw)
tables = []
for vib, power, rated, times, _ in raw:
    rms = [np.sqrt(np.mean(vib[i - MEMORY : i + 1] ** 2)) for i in range(MEMORY, ROWS)]
    hour = [2 * np.pi * (t.hour + t.minute / 60) / 24 for t in times[MEMORY:]]
    columns = [np.clip(vib, low, high)[MEMORY:], (power / rated)[MEMORY:], rms, np.sin(hour), np.cos(hour)]
    tables.append(np.stack(columns, axis=1))
both = np.concatenate(tables)
mean, std = both.mean(axis=0), both.std(axis=0)
mean[3:], std[3:] = 0, 1
windows, targets = [], []
for table, (*_, worn) in zip(tables, raw, strict=True):
    scaled = (table - mean) / std
    ends = np.arange(WINDOW - 1, len(scaled))
    windows.append(scaled[ends[:, None] + np.arange(1 - WINDOW, 1)].astype(np.float32))
    targets.append(worn[MEMORY:][ends])
x, y = np.concatenate(windows), np.concatenate(targets).astype(np.float32)
model = keras.Sequential(
    [
        keras.Input((WINDOW, 5)),
        keras.layers.Flatten(),
        keras.layers.Dense(12, activation="tanh"),
        keras.layers.Dense(1, activation="sigmoid"),
    ]
)
model.compile("adam", "binary_crossentropy")
model.fit(x, y, epochs=8, batch_size=64, verbose=0)
model.save(folder / "stepped.keras")
np.save(folder / "answers.npy", model.predict(x, verbose=0)[:, 0])
