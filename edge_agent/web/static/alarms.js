// Alarms that stand, as ISA-18.2 lists them, and what was raised before.

import { element, find, row, show, table } from "./dom.js";
import { drawLog } from "./log.js";
import { give } from "./orders.js";
import { asset, state } from "./state.js";
import { standing } from "./tiles.js";
import { english, lasting, number, remark, say, when } from "./words.js";

const SHELVES = [900, 3600, 8 * 3600];
const WAITING = ["UNACKNOWLEDGED", "RETURNED", "LATCHED_UNACKNOWLEDGED"];
let before = new Set();

export function tell(text) {
  find("#said").textContent = text;
}

async function order(do_, machine, output, shelf) {
  const refused = await give({ do: do_, machine, output, ...(shelf ? { shelf } : {}) });
  find("#refused").hidden = !refused;
  find("#refused").replaceChildren(refused);
  if (!refused) tell(say("done"));
}

function button(key, machine, output, shelf) {
  const label = say(`order.${key}`);
  const attributes = {
    type: "button",
    "data-focus": `${key} ${machine} ${output}`,
    "data-order": key,
    "aria-label": `${label}: ${machine} ${output}`,
    onclick: () => order(key, machine, output, shelf),
  };
  return element("button", attributes, label);
}

function shelve(machine, output) {
  const label = say("order.shelve");
  const choice = element(
    "select",
    {
      "data-focus": `shelve ${machine} ${output}`,
      "aria-label": `${label}: ${machine} ${output}`,
      onchange: (event) => {
        const seconds = Number(event.target.value);
        event.target.value = "";
        if (seconds) order("shelve", machine, output, seconds);
      },
    },
    element("option", { value: "" }, label),
    ...SHELVES.map((s) => element("option", { value: s }, lasting(s))),
  );
  return choice;
}

const since = ({ output, level }) => output[`${level}_since`];

// An output has an alarm and a warning; one row for each that is not normal.
function rows() {
  const found = [];
  for (const machine of state.status.machines)
    for (const output of machine.outputs.filter(standing))
      for (const [level, key] of [["alarm", "alarm_state"], ["warning", "warning_state"]])
        if (output[key] !== "NORMAL") found.push({ machine, output, level, how: output[key] });
  const rank = (r) => [WAITING.includes(r.how) ? 0 : 1, r.level === "alarm" ? 0 : 1];
  return found.sort((a, b) => rank(a)[0] - rank(b)[0] || rank(a)[1] - rank(b)[1] || since(b) - since(a));
}

function actions({ machine, output, how }) {
  if (!state.layout.writable) return null;
  const of = [machine.name, output.name];
  if (how === "SHELVED") return [button("unshelve", ...of)];
  const asked = [];
  if (WAITING.includes(how)) asked.push(button("acknowledge", ...of));
  if (how === "LATCHED_ACKNOWLEDGED") asked.push(button("reset", ...of));
  return [...asked, shelve(...of)];
}

function shelvedWords(output) {
  const left = output.shelved_until ? `, ${say("shelvedFor", { time: lasting(output.shelved_until - state.at) })}` : "";
  return say("alarm.SHELVED") + left;
}

export function drawAlarms() {
  const standingNow = rows();
  const heads = ["time", "level", "machine", "alarmOf", "alarmState", "score", "limit", "why", "action"].map((key) => say(key));
  const drawn = standingNow.map((found) => {
    const { machine, output, level, how } = found;
    const limits = asset(machine.name)?.outputs.find((o) => o.name === output.name)?.[level];
    return row(
      `${machine.name} ${output.name} ${level}`,
      when(since(found)),
      element("td", { class: `level ${level}` }, say(`condition.${level}`)),
      machine.name,
      output.name,
      element("td", { class: WAITING.includes(how) ? "unacknowledged" : "" }, how === "SHELVED" ? shelvedWords(output) : say(`alarm.${how}`)),
      number(output.score),
      limits ? number(limits.on) : null,
      machine.remarks.map(remark).join("; ") || null,
      element("td", { class: "buttons" }, ...(actions(found) ?? [say("readOnly")])),
    );
  });
  const list = drawn.length ? table(heads, drawn) : element("p", {}, say("noAlarms"));
  list.dataset.key = drawn.length ? "list" : "none";
  show(find("#alarms"), list);
  announce(standingNow);
}

function announce(standingNow) {
  const now = new Set(standingNow.filter((r) => WAITING.includes(r.how) || r.how === "ACKNOWLEDGED").map((r) => `${r.level} ${r.machine.name} ${r.output.name}`));
  const fresh = standingNow.filter((r) => now.has(`${r.level} ${r.machine.name} ${r.output.name}`) && !before.has(`${r.level} ${r.machine.name} ${r.output.name}`));
  if (fresh.length) tell(fresh.map((r) => `${say(`condition.${r.level}`)}: ${r.machine.name}, ${r.output.name}`).join(". "));
  if ([...now].join() !== [...before].join()) drawLog();
  before = now;
}
