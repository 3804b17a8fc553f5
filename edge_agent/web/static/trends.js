// Trends of the machine that is looked at: live, or out of the history; the range of training is a band.

import { element, find, show } from "./dom.js";
import { asset, state } from "./state.js";
import { dated, english, mark, number, say } from "./words.js";

const KEPT = 900; // snapshots of every machine that stay in this page: a quarter of an hour
const GAP = 3; // seconds between two snapshots that are not drawn as one line
const LIVE = 600; // seconds that are shown live
const RANGES = [["live", 0], ["hour", 3600], ["shift", 8 * 3600], ["day", 86400], ["week", 7 * 86400], ["month", 28 * 86400]];
const POINTS = 600;
const SHORTEST = 10; // seconds

const kept = new Map(); // of machines: times, and numbers by "score NAME" or "input NAME"
const filled = new Set();
let charts = [];
let range = null; // {since, until} of the history, null is live
let before = []; // ranges to come back to
let asked = 0;

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

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

function band(low, high) {
  return (u) => {
    const [top, bottom] = [u.valToPos(high, "y", true), u.valToPos(low, "y", true)];
    u.ctx.save();
    u.ctx.fillStyle = colour("band");
    u.ctx.fillRect(u.bbox.left, Math.max(top, u.bbox.top), u.bbox.width, Math.min(bottom, u.bbox.top + u.bbox.height) - Math.max(top, u.bbox.top));
    u.ctx.restore();
  };
}

function line(value, name) {
  return (u) => {
    const y = u.valToPos(value, "y", true);
    if (y < u.bbox.top || y > u.bbox.top + u.bbox.height) return;
    u.ctx.save();
    u.ctx.strokeStyle = colour(name);
    u.ctx.lineWidth = devicePixelRatio;
    u.ctx.setLineDash(name === "alarm" ? [] : [6, 4]);
    u.ctx.beginPath();
    u.ctx.moveTo(u.bbox.left, y);
    u.ctx.lineTo(u.bbox.left + u.bbox.width, y);
    u.ctx.stroke();
    u.ctx.restore();
  };
}

function zoomed(u) {
  if (u.select.width < 4) return;
  const [since, until] = [u.posToVal(u.select.left, "x"), u.posToVal(u.select.left + u.select.width, "x")];
  u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  go({ since, until: Math.max(until, since + SHORTEST) });
}

// A chart of one column; `shown` are values that the scale always has room for.
function chart(place, key, height, shown, hooks) {
  const axis = { stroke: colour("ink"), grid: { stroke: colour("grid") }, ticks: { stroke: colour("grid") } };
  const fit = (u, least, most) => {
    const all = [least, most, ...shown].filter((v) => Number.isFinite(v));
    if (!all.length) return [0, 1];
    const [low, high] = [Math.min(...all), Math.max(...all)];
    const room = (high - low || Math.abs(high) || 1) * 0.05;
    return [low - room, high + room];
  };
  // The lowest and highest of each part: a peak that is one part wide is seen by its edge alone.
  const edge = { stroke: colour("line"), width: 1, points: { show: false } };
  const options = {
    width: Math.max(200, place.clientWidth),
    height,
    scales: { y: { range: fit } },
    axes: [{ ...axis, values: (u, at) => at.map((s) => mark(s, u.scales.x.max - u.scales.x.min)), space: 90 }, { ...axis, size: 60, values: (u, at) => at.map((v) => number(v)) }],
    series: [{}, { stroke: colour("line"), width: 1.5, points: { show: false } }, edge, edge],
    bands: [{ series: [3, 2], fill: colour("spread") }],
    cursor: { sync: { key: "trends" }, drag: { setScale: false } },
    legend: { show: false },
    hooks: { drawClear: hooks.under, draw: hooks.over, setSelect: [zoomed] },
  };
  return { key, plot: new uPlot(options, [[], [], [], []], place), place };
}

function figure(key, title, unit, height, shown, hooks) {
  const value = element("output", {});
  const place = element("div", { class: "plot", role: "img", "aria-label": title });
  const made = element("figure", { "data-key": key }, element("figcaption", {}, element("span", {}, unit ? `${title} [${unit}]` : title), value), place);
  find("#trends").append(made);
  // A chart is as wide as its column, which is known once all figures stand.
  return () => chart(place, key, height, shown, hooks);
}

// Draws the charts of the machine that is looked at anew.
export function lay() {
  for (const { plot } of charts) plot.destroy();
  charts = [];
  find("#trends").replaceChildren();
  const known = asset(state.selected);
  find("#selected").textContent = known ? known.name : "";
  if (!known) return;
  if (!window.uPlot) find("#trends").append(element("p", { class: "refused", role: "alert" }, say("noCharts")));
  const figures = [];
  for (const output of known.outputs) {
    const limits = ["alarm", "warning"].filter((level) => output[level]);
    const lines = limits.map((level) => line(output[level].on, level));
    const least = output.kind === "probability" ? [0, 1] : [];
    figures.push(figure(`score ${output.name}`, `${say("score")} ${output.name}`, output.unit, 200, [...least, ...limits.map((level) => output[level].on)], { under: [], over: lines }));
  }
  for (const input of known.inputs)
    figures.push(figure(`input ${input.name}`, input.name, input.unit, 130, [input.low, input.high], { under: [band(input.low, input.high)], over: [] }));
  if (window.uPlot) charts = figures.map((make) => make());
  drawRanges();
  if (range) load();
}

// Puts what the history holds of the last minutes before what this page has seen itself, once for a machine.
async function fill(name) {
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
  const older = past.at.filter((at) => at < there.at[0]).length;
  there.at.unshift(...past.at.slice(0, older));
  for (const [key, column] of Object.entries(there.columns))
    column.unshift(...(past.columns[key]?.slice(0, older) ?? new Array(older).fill(null)));
}

async function ask(machine, since, until, points) {
  const query = new URLSearchParams({ machine, since, until, points });
  return (await fetch(`/api/history?${query}`)).json();
}

export const relay = () => state.layout && lay();

function drawRanges() {
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
  before = [...before.slice(-20), range];
  set(next);
}

function back() {
  set(before.pop());
}

function set(next) {
  range = next;
  drawRanges();
  if (range) load();
  else {
    find("#range").textContent = "";
    drawTrends();
  }
}

async function load() {
  const mine = ++asked;
  const { since, until } = range;
  find("#range").textContent = say("loading");
  let answer;
  try {
    answer = await ask(state.selected, since, until, POINTS);
  } catch {
    return (find("#range").textContent = say("noAnswer"));
  }
  if (mine !== asked || !range) return;
  if (answer.error) {
    find("#range").replaceChildren(english(answer.error));
    return;
  }
  const told = [`${dated(since)} – ${dated(until)}`];
  if (!answer.at.length) told.push(say("nothingKept"));
  if (answer.sampled) told.push(say("sampled"));
  find("#range").textContent = told.join(" · ");
  const { at, columns, low, high } = parted(answer, 3 * Math.max((until - since) / POINTS, asset(state.selected).period));
  const empty = at.map(() => null);
  for (const { key, plot } of charts) {
    plot.setData([at, columns[key] ?? empty, low[key] ?? empty, high[key] ?? empty], false);
    plot.setScale("x", { min: since, max: until });
  }
  drawTrends();
}

// Puts nothing where nothing was kept for longer than `longest` seconds: no line is drawn through it.
function parted({ at, ...answer }, longest) {
  const places = at.map((time, i) => i && time - at[i - 1] > longest && i).filter(Boolean).reverse();
  const insert = (column, made) => places.forEach((i) => column.splice(i, 0, made(i)));
  const before = [...at];
  insert(at, (i) => before[i - 1] + longest / 3);
  for (const part of [answer.columns, answer.low, answer.high]) for (const column of Object.values(part)) insert(column, () => null);
  return { at, ...answer };
}

// The numbers that a chart shows: of the range that is looked at, or of the last minutes.
const shown = (key, live) => (range ? charts.find((chart) => chart.key === key)?.plot.data.slice(1).flat() : live) ?? [];

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
  const { at, columns } = kept.get(state.selected) ?? { at: [], columns: {} };
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
  if (range) return;
  const empty = at.map(() => null);
  for (const { key, plot } of charts) {
    plot.setData([at, columns[key] ?? empty, empty, empty], false);
    plot.setScale("x", { min: state.at - LIVE, max: state.at });
  }
}

addEventListener("resize", () => {
  for (const { plot, place } of charts) plot.setSize({ width: Math.max(200, place.clientWidth), height: plot.height });
});
