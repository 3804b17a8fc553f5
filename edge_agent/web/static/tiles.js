// One large tile a machine: shape, word and colour say the same, so that any one of them is enough.

import { outputWaits, shortcut } from "./actions.js";
import { condition, judged, known, standing, shelved } from "./conditions.js";
import { element, find, shape, show } from "./dom.js";
import { gauge } from "./gauge.js";
import { state } from "./state.js";
import { briefly, lasting, number, remark, say } from "./words.js";

const FEW = 4; // machines whose tiles can all be read from three metres
const SIZES = [[1, 1], [FEW, 2], [6, 3], [12, 4], [Infinity, 5]]; // up to so many machines, so many in a row
const LONG = 30 * 86400; // seconds after which the day says more than how long it lasts
const MOST_LARGE = 2; // alarms that are drawn larger where there are many machines

// A remark in as few signs as say it: the sentence follows, smaller.
const SIGNS = {
  above_others: ({ input, value }) => `${input} +${value}`,
  below_others: ({ input, value }) => `${input} −${value}`,
  above_mean: ({ input, value }) => `${input} +${value}`,
  below_mean: ({ input, value }) => `${input} −${value}`,
  off_forecast: ({ input, value }) => `${input} ±${value}`,
  above_training: ({ input, value, bound }) => `${input} ${value} > ${bound}`,
  below_training: ({ input, value, bound }) => `${input} ${value} < ${bound}`,
  too_quick: ({ input, value }) => `${input} ${value} / s`,
  unlikely: ({ input, value, bound }) => `${input} ${value} ≠ ${bound}`,
};

function signs({ kind, input, value, bound, unit }) {
  const size = /_(others|mean|forecast)$/.test(kind) ? Math.abs(value) : value;
  return SIGNS[kind]?.({ input, value: number(size, unit), bound: number(bound) }) ?? input;
}

// Why, in one line for three metres: the first input that made it, what stands in the way of a result, or of what
// output there is nothing more to say.
function firstReason(machine, how, { output }) {
  if (how !== "alarm" && machine.reason !== "NONE") return obstacle(machine);
  if (machine.remarks.length) return signs(machine.remarks[0]);
  if (!output || !standing(output)) return "";
  return shelved(output) && output.shelved_until ? left(output) : output.name;
}

const obstacle = (machine) => `${say(`reason.${machine.reason}`)}${machine.culprit ? `: ${machine.culprit}` : ""}`;
const left = (output) => say("shelvedFor", { time: lasting(output.shelved_until - state.at) });

// All of it in sentences.
function more(machine) {
  const told = [...machine.remarks.map(remark), ...machine.outputs.filter(standing).map((output) => `${output.name}: ${stateWords(output)}`)];
  if (machine.alarm && machine.reason !== "NONE") told.unshift(obstacle(machine));
  return [...told, say(`state.${machine.state}`), machine.latched && say("latched")].filter(Boolean).join(" · ");
}

export function stateWords(output) {
  const words = [];
  if (output.alarm_state !== "NORMAL") words.push(say(`alarm.${output.alarm_state}`));
  else if (output.warning_state !== "NORMAL") words.push(`${say("warningLevel")}: ${say(`alarm.${output.warning_state}`)}`);
  if (shelved(output) && output.shelved_until) words.push(left(output));
  return words.join(", ");
}

function tile(machine, large, select) {
  const how = condition(machine);
  const shown = judged(machine);
  const looked = machine.name === state.selected;
  const waiting = !state.lost && machine.outputs.some(outputWaits);
  const names = ["tile", how, waiting && "unacknowledged", looked && "chosen", large && "large"];
  const attributes = { "data-key": machine.name, class: names.filter(Boolean).join(" ") };
  const pick = { type: "button", class: "pick", "data-focus": `tile ${machine.name}`, "aria-pressed": String(looked && state.stays), onclick: () => select(machine.name) };
  const began = how === "lost" ? state.at : shown.since;
  const lasts = began && how !== "lost" && state.at - began < LONG ? ` (${lasting(state.at - began)})` : "";
  const since = began ? `${say("since")} ${briefly(began)}${lasts}` : "";
  const first = how === "lost" ? `${say("lastKnown")}: ${say(`condition.${known(machine)}`)}` : firstReason(machine, how, shown);
  return element(
    "article",
    attributes,
    element("div", { class: "top" }, shape(how === "lost" ? "unknown" : how), element("span", { class: "word" }, say(`condition.${how}`)), element("h3", {}, element("button", pick, machine.name))),
    how === "lost" ? element("div") : gauge(machine, how, shown),
    element("p", { class: "since" }, since),
    element("p", { class: "first" }, first),
    element("div", { class: "more" }, element("p", {}, how === "lost" ? "" : more(machine)), shortcut(machine)),
  );
}

// With few machines tiles keep their places; with many those in alarm come first, and larger.
export function drawTiles(select) {
  const { machines } = state.status;
  const alarms = machines.length > FEW ? machines.filter((machine) => condition(machine) === "alarm") : [];
  const large = alarms.length <= MOST_LARGE;
  const place = find("#tiles .tiles");
  place.dataset.across = SIZES.find(([most]) => machines.length <= most)[1];
  const rest = machines.filter((machine) => !alarms.includes(machine));
  show(place, ...alarms.map((machine) => tile(machine, large, select)), ...rest.map((machine) => tile(machine, false, select)));
}
