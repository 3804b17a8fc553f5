// What was raised before, and what else happened.

import { element, find, row, show, table } from "./dom.js";
import { asset, state } from "./state.js";
import { dated, english, number, say, when, whole } from "./words.js";

const unit = ({ machine, output }) => asset(machine)?.outputs.find((o) => o.name === output)?.unit;

// The sentence of an event is as the agent wrote it; states and reasons have words.
function happening({ kind, text }) {
  const [how, reason, ...more] = text.split(", ");
  if (kind !== "state" || !reason) return element("td", {}, english(text));
  return [say(`state.${how}`), say(`reason.${reason}`), ...more.map((part) => part.replace(/^input /, ""))].join(", ");
}

// What the history holds of alarms, lately or in the range that is looked at; read when the list is opened, and
// again at every change while it is.
export async function drawLog() {
  const log = find("#log");
  if (!log.open) return;
  const heads = ["time", "machine", "alarmOf", "alarmState", "warningLevel", "score"].map((key) => say(key));
  let answer;
  try {
    answer = await fetch(`/api/log?${new URLSearchParams(state.range ?? {})}`);
  } catch {
    return;
  }
  const { alarms, events, more, error } = await answer.json();
  if (error) return show(log.lastElementChild, element("p", {}, english(error)));
  const { since, until } = state.range ?? {};
  const told = [since ? `${dated(since)} – ${dated(until)}` : "", more ? say("more", { rows: whole(Math.max(alarms.length, events.length)) }) : ""];
  const drawn = alarms.map((a) => row(a.at, when(a.at), a.machine, a.output, say(`alarm.${a.alarm}`), say(`alarm.${a.warning}`), number(a.score, unit(a))));
  const happened = events.map((e, at) => row(`${e.at} ${at}`, when(e.at), e.subject, say(`event.${e.kind}`), happening(e)));
  show(
    log.lastElementChild,
    element("p", { "data-key": "of" }, told.filter(Boolean).join(" · ")),
    drawn.length ? table(heads, drawn) : element("p", {}, say(since ? "noAlarmsThen" : "noAlarmsEver")),
    table(["time", "subject", "event", "text"].map((key) => say(key)), happened),
  );
}
