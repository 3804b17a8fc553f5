// A score against its limits: as a number beside the limit that matters, and as a bar with a mark for each.

import { scored } from "./conditions.js";
import { drawn, element } from "./dom.js";
import { number, say } from "./words.js";

const WIDE = 0.14; // share of the bar that a number below it may take

export const sign = (limits) => (limits.when === "below" ? "≤" : "≥");

export function limitWords(limits, unit, level) {
  return `${say(level === "warning" ? "warningLevel" : "alarmLimit")} ${sign(limits)}\u00a0${number(limits.on, unit)}`;
}

export function gauge(machine, how, { output, level }) {
  const known = output && scored(machine, output);
  if (!output || !known || output.score === null) return element("p", { class: "score" }, how === "none" ? "" : say("noScore"));
  const levels = ["warning", "alarm"].filter((name) => known[name]);
  const matters = known[level] ? level : levels[0]; // what made it, or what comes next
  const name = machine.outputs.length > 1 ? element("span", { class: "output" }, output.name) : null;
  const text = element("p", { class: "score" }, element("span", {}, number(output.score, known.unit)));
  if (matters) text.append(" ", element("span", { class: "limit" }, limitWords(known[matters], known.unit, matters)));
  if (name) text.append(" ", name);
  const parts = element("div", {}, text);
  if (levels.length) parts.append(bar(output.score, known, levels, matters));
  return parts;
}

function bar(score, known, levels, matters) {
  const ons = levels.map((level) => known[level].on);
  const low = Math.min(0, score, ...ons);
  const high = known.kind === "probability" ? Math.max(1, score) : Math.max(score, ...ons.map((on) => on + 0.25 * Math.abs(on)), low + 1e-9);
  const at = (value) => (value - low) / (high - low);
  const percent = (share) => `${(100 * share).toFixed(1)}%`;
  const words = [number(score, known.unit), ...levels.map((level) => limitWords(known[level], known.unit, level))];
  const made = drawn("svg", { class: "gauge", role: "img", "aria-label": words.join("; ") });
  made.append(drawn("rect", { class: "room", x: "0", y: "0", width: "100%", height: "1em", rx: ".2em" }));
  made.append(drawn("rect", { class: "filled", x: "0", y: "0", width: percent(at(score)), height: "1em", rx: ".2em" }));
  for (const level of levels) {
    const share = at(known[level].on);
    made.append(drawn("line", { class: `mark ${level}`, x1: percent(share), x2: percent(share), y1: "-.2em", y2: "1.3em" }));
    if (level === matters) continue; // its number stands above
    const anchor = share > 1 - WIDE / 2 ? "end" : share < WIDE / 2 ? "start" : "middle";
    made.append(drawn("text", { x: percent(share), y: "2.1em", "text-anchor": anchor }, number(known[level].on)));
  }
  return made;
}
