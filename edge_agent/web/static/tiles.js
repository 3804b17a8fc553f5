// One large tile a machine: shape, word and colour say the same, so that any one of them is enough.

import { element, find, shape, show } from "./dom.js";
import { asset, state } from "./state.js";
import { lasting, number, remark, say, when } from "./words.js";

const WAITING = ["UNACKNOWLEDGED", "RETURNED", "LATCHED_UNACKNOWLEDGED"];
const CALM = ["STARTING", "OFF"];

// The worst that is true of a machine: alarm, none (no result), warning, waiting, uncertain, shelved, normal. Of
// what is not heard any more nothing is known.
export const condition = (machine) => (state.lost ? "lost" : known(machine));

function known(machine) {
  if (machine.alarm) return "alarm";
  if (["FALLBACK", "FAULT"].includes(machine.state)) return "none";
  if (machine.outputs.some((o) => ["UNACKNOWLEDGED", "ACKNOWLEDGED"].includes(o.warning_state))) return "warning";
  if (CALM.includes(machine.state) || machine.reason !== "NONE") return "waiting";
  if (machine.outside) return "uncertain";
  if (machine.outputs.some(shelved)) return "shelved";
  return "normal";
}

export const standing = (output) => output.alarm_state !== "NORMAL" || output.warning_state !== "NORMAL";

const shelved = (output) => [output.alarm_state, output.warning_state].includes("SHELVED");

function since(machine, how) {
  if (how === "lost") return state.at;
  const raised = machine.outputs.filter(standing).map((output) => output[how === "warning" || output.alarm_state === "NORMAL" ? "warning_since" : "alarm_since"]);
  return ["alarm", "warning", "shelved"].includes(how) && raised.length ? Math.min(...raised) : machine.since;
}

// Why, in one sentence each: the reasons of the alarm, or what stands in the way of a result.
export function why(machine) {
  const told = [];
  for (const output of machine.outputs.filter(standing)) told.push(`${output.name}: ${stateWords(output)}`);
  told.push(...machine.remarks.map(remark));
  if (machine.reason !== "NONE") {
    const word = say(`reason.${machine.reason}`);
    told.push(machine.culprit ? `${word}: ${machine.culprit}` : word);
  }
  return told;
}

export function stateWords(output) {
  const words = [];
  if (output.alarm_state !== "NORMAL") words.push(say(`alarm.${output.alarm_state}`));
  else if (output.warning_state !== "NORMAL") words.push(`${say("warningLevel")}: ${say(`alarm.${output.warning_state}`)}`);
  if (shelved(output) && output.shelved_until) words.push(say("shelvedFor", { time: lasting(output.shelved_until - state.at) }));
  return words.join(", ");
}

function gauge(machine, how) {
  if (how === "lost") return element("p", { class: "limits" }, `${say("lastKnown")}: ${say(`condition.${known(machine)}`)}`);
  const output = machine.outputs[0];
  const limits = asset(machine.name)?.outputs[0]?.alarm;
  if (!output || output.score === null) return element("p", { class: "score" }, say("noScore"));
  const unit = asset(machine.name)?.outputs[0]?.unit ?? "";
  const text = element("p", { class: "score" }, number(output.score, unit));
  if (!limits) return text;
  const top = Math.max(limits.on, limits.off, Math.abs(output.score), asset(machine.name).outputs[0].kind === "probability" ? 1 : 0) || 1;
  const meter = element("meter", { min: 0, max: top, value: Math.max(0, output.score), "aria-label": say("score") });
  const sign = limits.when === "below" ? "≤" : "≥";
  return element("div", {}, text, meter, element("p", { class: "limits" }, `${say("alarmLimit")} ${sign} ${number(limits.on, unit)}`));
}

// What is read from three metres; a long word is smaller rather than broken.
function large(word) {
  const longest = Math.max(...word.split(" ").map((part) => part.length));
  return element("span", { class: longest > 8 ? "word long" : "word" }, word);
}

export function drawTiles(select) {
  show(
    find("#tiles .tiles"),
    ...state.status.machines.map((machine) => {
      const how = condition(machine);
      const began = since(machine, how);
      const waits = !state.lost && machine.outputs.some((o) => WAITING.includes(o.alarm_state) || WAITING.includes(o.warning_state));
      const chosen = machine.name === state.selected;
      const attributes = { "data-key": machine.name, class: `tile ${how}${waits ? " unacknowledged" : ""}${chosen ? " chosen" : ""}` };
      const pick = { type: "button", class: "pick", "data-focus": `tile ${machine.name}`, "aria-pressed": String(chosen), onclick: () => select(machine.name) };
      return element(
        "article",
        attributes,
        element("div", { class: "top" }, shape(how === "lost" ? "unknown" : how), large(say(`condition.${how}`))),
        element("h3", {}, element("button", pick, machine.name)),
        gauge(machine, how),
        element("p", { class: "since" }, began ? `${say("since")} ${when(began)}${how === "lost" ? "" : ` (${lasting(state.at - began)})`}` : ""),
        element("ul", { class: "why" }, ...(how === "lost" ? [] : why(machine)).map((text) => element("li", {}, text))),
        element("p", { class: "mode" }, how === "lost" ? "" : `${say(`state.${machine.state}`)}${machine.latched ? ` · ${say("latched")}` : ""}`),
      );
    }),
  );
}
