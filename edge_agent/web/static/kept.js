// What this page has seen itself of the last minutes, and before it what the history holds of them.

import { ask, parted } from "./past.js";
import { asset, state } from "./state.js";

export const LIVE = 600; // seconds that are shown live
const KEPT = 900; // snapshots of every machine that stay in this page: a quarter of an hour
const GAP = 3; // seconds between two snapshots that are not drawn as one line

const kept = new Map(); // of machines: times, and numbers by "score NAME" or "input NAME"
const filled = new Set();

export const seen = (machine) => kept.get(machine) ?? { at: [], columns: {} };

// Keeps what the latest snapshot says of every machine.
export function keep() {
  for (const name of [...kept.keys()]) if (!state.status.machines.some((machine) => machine.name === name)) kept.delete(name);
  for (const machine of state.status.machines) {
    const known = asset(machine.name);
    if (!known) continue;
    if (!kept.has(machine.name)) kept.set(machine.name, { at: [], columns: {} });
    const { at, columns } = kept.get(machine.name);
    if (at.length && state.at <= at.at(-1)) forget(at, columns); // the agent's clock was set back
    if (at.length && state.at - at.at(-1) > GAP) {
      at.push(at.at(-1) + 1); // nothing was seen here, and no line is drawn through nothing
      for (const column of Object.values(columns)) column.push(null);
    }
    const put = (key, value) => (columns[key] ??= new Array(at.length - 1).fill(null)).push(value ?? null);
    at.push(state.at);
    for (const output of machine.outputs) put(`score ${output.name}`, output.score);
    for (const input of known.inputs) put(`input ${input.name}`, machine.inputs[input.tag]);
    for (const column of Object.values(columns)) while (column.length < at.length) column.push(null);
    const old = Math.max(0, at.length - KEPT);
    for (const column of [at, ...Object.values(columns)]) column.splice(0, old);
  }
}

function forget(at, columns) {
  for (const column of [at, ...Object.values(columns)]) column.length = 0;
}

// Puts what the history holds of the last minutes before what this page has seen itself, once for a machine.
export async function fill(name) {
  if (filled.has(name)) return;
  filled.add(name);
  const until = state.at; // the agent's clock, whatever this one says
  let past;
  try {
    past = await ask(name, until - LIVE, until, LIVE);
  } catch {
    past = { error: true };
  }
  const there = kept.get(name);
  if (past.error || !there) return;
  const { at, columns } = parted(past, GAP * Math.max(1, asset(name).period));
  const older = at.filter((time) => time < there.at[0]).length;
  there.at.unshift(...at.slice(0, older));
  for (const [key, column] of Object.entries(there.columns))
    column.unshift(...(columns[key]?.slice(0, older) ?? new Array(older).fill(null)));
}
