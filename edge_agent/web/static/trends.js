// Trends of the machine that is looked at: live, or out of the history; the range of training is a band.

import { drawLog } from "./log.js";
import { band, chart, line, strip } from "./chart.js";
import { element, find, show } from "./dom.js";
import { fill, LIVE, seen } from "./kept.js";
import { ask, parted } from "./past.js";
import { asset, state } from "./state.js";
import { unitOf } from "./units.js";
import { dated, english, lasting, number, say } from "./words.js";

const RANGES = [["live", 0], ["hour", 3600], ["shift", 8 * 3600], ["day", 86400], ["week", 7 * 86400], ["month", 28 * 86400]];
const POINTS = 600;
const SHORTEST = 10; // seconds

let charts = [];
let before = []; // ranges to come back to
let asked = 0;
let spans = []; // when the machine was not normal, in the range that is looked at

function zoomed(u) {
  if (u.select.width < 4) return;
  const [since, until] = [u.posToVal(u.select.left, "x"), u.posToVal(u.select.left + u.select.width, "x")];
  u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  go({ since, until: Math.max(until, since + SHORTEST) });
}

function figure(key, title, unit, height, shown, hooks) {
  const value = element("output", {});
  const place = element("div", { class: "plot", role: "img", "aria-label": title });
  const made = element("figure", { "data-key": key }, element("figcaption", {}, element("span", {}, unit ? `${title} [${unitOf(unit)}]` : title), value), place);
  find("#trends").append(made);
  // A chart is as wide as its column, which is known once all figures stand.
  return () => chart(place, key, height, shown, hooks, zoomed);
}

// Draws the charts of the machine that is looked at anew.
export function lay() {
  for (const { plot } of charts) plot.destroy();
  charts = [];
  find("#trends").replaceChildren();
  const known = asset(state.selected);
  find("#selected").textContent = known ? known.name : "";
  follows();
  if (!known) return;
  if (!window.uPlot) find("#trends").append(element("p", { class: "refused", role: "alert" }, say("noCharts")));
  const figures = [];
  for (const output of known.outputs) {
    const limits = ["alarm", "warning"].filter((level) => output[level]);
    const lines = limits.map((level) => line(output[level].on, level));
    const least = output.kind === "probability" ? [0, 1] : [];
    figures.push(figure(`score ${output.name}`, `${say("score")} ${output.name}`, output.unit, 230, [...least, ...limits.map((level) => output[level].on)], { under: [], over: [...lines, strip(() => (state.range ? spans : []))] }));
  }
  for (const input of known.inputs)
    figures.push(figure(`input ${input.name}`, input.name, input.unit, 180, [input.low, input.high], { under: [band(input.low, input.high)], over: [] }));
  if (window.uPlot) charts = figures.map((make) => make());
  drawRanges();
  if (state.range) load();
}

// Says that the machine changes by itself, as long as it does.
function follows() {
  const alone = state.layout.machines.length < 2;
  find("#follows").textContent = alone ? "" : say(state.stays || state.range ? "stays" : "follows");
}

export const relay = () => state.layout && lay();

function drawRanges() {
  const { range } = state;
  const chosen = range ? Math.round(range.until - range.since) : 0;
  const buttons = RANGES.map(([key, seconds]) =>
    element("button", { type: "button", "data-key": key, "data-focus": `range ${key}`, "aria-pressed": String(seconds ? chosen === seconds : !range), onclick: () => choose(seconds) }, say(`range.${key}`)),
  );
  const move = (key, how) => element("button", { type: "button", "data-key": key, "data-focus": `range ${key}`, onclick: how }, say(`range.${key}`));
  const span = () => range ?? { since: state.at - LIVE, until: state.at };
  const shifted = (by) => {
    const { since, until } = span();
    const width = until - since;
    go({ since: since + by * width, until: until + by * width });
  };
  const scaled = (by) => {
    const { since, until } = span();
    const half = Math.max(SHORTEST, (until - since) * by) / 2;
    go({ since: (since + until) / 2 - half, until: (since + until) / 2 + half });
  };
  buttons.push(move("earlier", () => shifted(-0.5)), move("later", () => shifted(0.5)), move("in", () => scaled(0.5)), move("out", () => scaled(2)));
  if (before.length) buttons.push(move("back", back));
  show(find("#ranges"), ...buttons);
}

function choose(seconds) {
  before = [];
  set(seconds ? { since: state.at - seconds, until: state.at } : null);
}

function go(next) {
  before = [...before.slice(-20), state.range];
  set(next);
}

function back() {
  set(before.pop());
}

function set(next) {
  state.range = next;
  follows();
  drawRanges();
  drawLog();
  if (next) load();
  else {
    find("#range").textContent = "";
    drawTrends();
  }
}

async function load() {
  const mine = ++asked;
  const { since, until } = state.range;
  find("#range").textContent = say("loading");
  let answer;
  try {
    answer = await ask(state.selected, since, until, POINTS);
  } catch {
    return (find("#range").textContent = say("noAnswer"));
  }
  if (mine !== asked || !state.range) return;
  if (answer.error) {
    find("#range").replaceChildren(english(answer.error));
    return;
  }
  const told = [`${dated(since)} – ${dated(until)}`];
  if (!answer.at.length) told.push(say("nothingKept"));
  if (answer.resolution) told.push(say(`resolution.${answer.resolution}`));
  if (answer.behind) told.push(say("behind"));
  const bad = Object.entries(answer.lasted).map(([how, seconds]) => `${say(`condition.${how}`)}: ${lasting(seconds)}`);
  if (bad.length) told.push(bad.join(", "));
  find("#range").textContent = told.join(" · ");
  spans = answer.spans;
  const { at, columns, low, high } = parted(answer, 3 * Math.max((until - since) / POINTS, answer.resolution, asset(state.selected).period));
  const empty = at.map(() => null);
  for (const { key, plot } of charts) {
    plot.setData([at, columns[key] ?? empty, low[key] ?? empty, high[key] ?? empty], false);
    plot.setScale("x", { min: since, max: until });
  }
  drawTrends();
}

// The numbers that a chart shows: of the range that is looked at, or of the last minutes.
const shown = (key, live) => (state.range ? charts.find((chart) => chart.key === key)?.plot.data.slice(1).flat() : live) ?? [];

// What a chart shows, for those who do not see it.
function inWords(figure, text, input, column) {
  const numbers = column.filter((value) => value !== null && value !== undefined);
  const least = numbers.reduce((a, b) => Math.min(a, b), Infinity);
  const most = numbers.reduce((a, b) => Math.max(a, b), -Infinity);
  const told = [`${figure.querySelector("figcaption span").textContent}: ${text}`];
  if (numbers.length) told.push(say("between", { low: number(least), high: number(most) }));
  if (input) told.push(say("inTraining", { low: number(input.low), high: number(input.high) }));
  return told.join("; ");
}

// Shows the latest numbers, and while live the charts that end now.
export function drawTrends() {
  const known = asset(state.selected);
  const { at, columns } = seen(state.selected);
  for (const figure of document.querySelectorAll("#trends figure")) {
    const key = figure.dataset.key;
    const value = state.lost ? null : (columns[key]?.at(-1) ?? null);
    const input = known?.inputs.find((i) => key === `input ${i.name}`);
    const outside = input && value !== null && (value < input.low || value > input.high);
    const text = number(value) + (outside ? ` ▲ ${say("outsideTraining")}` : "");
    figure.querySelector("output").textContent = text;
    figure.classList.toggle("outside", Boolean(outside));
    figure.querySelector(".plot").setAttribute("aria-label", inWords(figure, text, input, shown(key, columns[key])));
  }
  fill(state.selected);
  if (state.range) return;
  const empty = at.map(() => null);
  for (const { key, plot } of charts) {
    plot.setData([at, columns[key] ?? empty, empty, empty], false);
    plot.setScale("x", { min: state.at - LIVE, max: state.at });
  }
}

addEventListener("resize", () => {
  for (const { plot, place } of charts) plot.setSize({ width: Math.max(200, place.clientWidth), height: plot.height });
});
