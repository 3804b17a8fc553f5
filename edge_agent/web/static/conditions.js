// What is the case with a machine, and which of its outputs makes it so.

import { asset, state } from "./state.js";

const CALM = ["STARTING", "OFF"];
const RAISED = ["UNACKNOWLEDGED", "ACKNOWLEDGED"];

// From worst to best.
export const WORST = ["lost", "alarm", "none", "warning", "uncertain", "shelved", "waiting", "normal"];

// The worst that is true of a machine: alarm, none (no result), warning, waiting, uncertain, shelved, normal. Of
// what is not heard any more nothing is known.
export const condition = (machine) => (state.lost ? "lost" : known(machine));

export function known(machine) {
  if (machine.alarm) return "alarm";
  if (["FALLBACK", "FAULT"].includes(machine.state)) return "none";
  if (machine.outputs.some(warned)) return "warning";
  if (CALM.includes(machine.state) || machine.reason !== "NONE") return "waiting";
  if (machine.outside) return "uncertain";
  if (machine.outputs.some(shelved)) return "shelved";
  return "normal";
}

export const standing = (output) => output.alarm_state !== "NORMAL" || output.warning_state !== "NORMAL";
export const shelved = (output) => [output.alarm_state, output.warning_state].includes("SHELVED");
const warned = (output) => RAISED.includes(output.warning_state);

export const scored = (machine, output) => asset(machine.name)?.outputs.find((o) => o.name === output.name);

// How far a score is beyond a limit, in limits; less than 0 on this side of it.
function beyond(score, limits) {
  if (score === null || !limits) return -Infinity;
  return ((limits.when === "below" ? -1 : 1) * (score - limits.on)) / (Math.abs(limits.on) || 1);
}

// The output that makes the condition: of those that do the one farthest beyond its limit; without any the first.
// Since when, and by which level.
export function judged(machine) {
  const how = known(machine);
  const makes = { alarm: (o) => o.alarm, warning: warned, shelved }[how];
  const level = (output) => (how === "warning" || output.alarm_state === "NORMAL" ? "warning" : "alarm");
  const far = (output) => beyond(output.score, scored(machine, output)?.[level(output)]);
  const [output] = makes ? machine.outputs.filter(makes).sort((a, b) => far(b) - far(a)) : [];
  if (!output) return { output: machine.outputs[0], level: null, since: machine.since };
  return { output, level: level(output), since: output[`${level(output)}_since`] ?? machine.since };
}
