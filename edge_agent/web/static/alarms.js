// Alarms that stand, as ISA-18.2 lists them.

import { button, shelve, tell, waits } from "./actions.js";
import { scored, shelved, standing } from "./conditions.js";
import { element, find, row, show, table } from "./dom.js";
import { limitWords } from "./gauge.js";
import { drawLog } from "./log.js";
import { state } from "./state.js";
import { lasting, number, remark, say, when } from "./words.js";

const PRIORITIES = ["urgent", "high", "medium", "low"];
const HEADS = ["time", "priority", "level", "machine", "alarmOf", "description", "alarmState", "score", "limit", "why", "action"];
let before = new Set();

const since = ({ output, level }) => output[`${level}_since`];
const key = ({ machine, output, level }) => `${level} ${machine.name} ${output.name}`;

// An output has an alarm and a warning; one row for each that is not normal: first what waits, then by priority.
function rows() {
  const found = [];
  for (const machine of state.status.machines)
    for (const output of machine.outputs.filter(standing))
      for (const level of ["alarm", "warning"]) {
        const how = output[`${level}_state`];
        const known = scored(machine, output);
        if (how !== "NORMAL") found.push({ machine, output, level, how, known, priority: known?.priority[level] });
      }
  const rank = (r) => [waits(r.how) ? 0 : 1, PRIORITIES.indexOf(r.priority), r.level === "alarm" ? 0 : 1];
  const compare = (a, b) => rank(a).map((at, n) => at - rank(b)[n]).find((difference) => difference) ?? since(b) - since(a);
  return found.sort(compare);
}

function actions({ machine, output, how }) {
  if (!state.layout.writable) return null;
  const of = [machine.name, output.name];
  if (how === "SHELVED") return [button("unshelve", ...of)];
  const asked = [];
  if (waits(how)) asked.push(button("acknowledge", ...of));
  if (how === "LATCHED_ACKNOWLEDGED") asked.push(button("reset", ...of));
  return [...asked, shelve(...of)];
}

function stateOf({ output, how }) {
  const left = how === "SHELVED" && shelved(output) && output.shelved_until ? `, ${say("shelvedFor", { time: lasting(output.shelved_until - state.at) })}` : "";
  return say(`alarm.${how}`) + left;
}

// What the configuration says of it, or what it is.
function description({ output, level, known }) {
  if (known?.description) return known.description;
  const side = known?.[level]?.when ?? "above";
  return say(`described.${level}.${side}`, { output: output.name });
}

export function drawAlarms() {
  const standingNow = rows();
  const drawn = standingNow.map((found) => {
    const { machine, output, level, how, known, priority } = found;
    return row(
      `${machine.name} ${output.name} ${level}`,
      when(since(found)),
      priority ? element("td", { class: `priority ${priority}` }, say(`priority.${priority}`)) : null,
      element("td", { class: `level ${level}` }, say(`condition.${level}`)),
      machine.name,
      output.name,
      description(found),
      element("td", { class: waits(how) ? "unacknowledged" : "" }, stateOf(found)),
      number(output.score, known?.unit),
      known?.[level] ? limitWords(known[level], known.unit, level) : null,
      machine.remarks.map(remark).join("; ") || null,
      element("td", { class: "buttons" }, ...(actions(found) ?? [say("readOnly")])),
    );
  });
  const list = drawn.length ? table(HEADS.map((head) => say(head)), drawn) : element("p", {}, say("noAlarms"));
  list.dataset.key = drawn.length ? "list" : "none";
  show(find("#alarms"), list);
  announce(standingNow);
}

function announce(standingNow) {
  const raised = standingNow.filter((r) => waits(r.how) || r.how === "ACKNOWLEDGED");
  const fresh = raised.filter((r) => !before.has(key(r)));
  if (fresh.length) tell(fresh.map((r) => `${say(`condition.${r.level}`)}: ${r.machine.name}, ${r.output.name}`).join(". "));
  const now = new Set(raised.map(key));
  if ([...now].join() !== [...before].join()) drawLog();
  before = now;
}
