// One chart of uPlot: a line, the range of training as a band, the limits.

import { dayAndTime, mark, number } from "./words.js";

const [MINUTE, HOUR, DAY] = [60, 3600, 86400];
const STEPS = [1, 2, 5, 10, 15, 30, ...[1, 2, 5, 10, 15, 30].map((n) => n * MINUTE), ...[1, 2, 3, 4, 6, 12].map((n) => n * HOUR), ...[1, 2, 3, 4, 7, 14, 28].map((n) => n * DAY)];

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

export function band(low, high) {
  return (u) => {
    const [top, bottom] = [u.valToPos(high, "y", true), u.valToPos(low, "y", true)];
    u.ctx.save();
    u.ctx.fillStyle = colour("band");
    u.ctx.fillRect(u.bbox.left, Math.max(top, u.bbox.top), u.bbox.width, Math.min(bottom, u.bbox.top + u.bbox.height) - Math.max(top, u.bbox.top));
    u.ctx.restore();
  };
}

export function line(value, name) {
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

// A strip along the top with what was not normal: `spans` gives {since, until, how}. Each has a pattern of its own.
const STRIP = { alarm: ["alarm", []], none: ["none", [5, 3]], warning: ["warning", [10, 4]], waiting: ["edge", [2, 4]], off: ["edge", [1, 7]] };

export function strip(spans) {
  return (u) => {
    const { ctx, bbox } = u;
    const height = 10 * devicePixelRatio;
    ctx.save();
    for (const { since, until, how } of spans()) {
      const [from, to] = [since, until].map((at) => Math.min(Math.max(u.valToPos(at, "x", true), bbox.left), bbox.left + bbox.width));
      const [name, dashes] = STRIP[how];
      ctx.strokeStyle = colour(name);
      ctx.lineWidth = height;
      ctx.setLineDash(dashes.map((dash) => dash * devicePixelRatio));
      ctx.beginPath();
      ctx.moveTo(from, bbox.top + height / 2);
      ctx.lineTo(Math.max(to, from + 2 * devicePixelRatio), bbox.top + height / 2); // the shortest is seen, too
      ctx.stroke();
    }
    ctx.restore();
  };
}

// A chart of one column; `shown` are values that the scale always has room for, `select` is called after a drag.
export function chart(place, key, height, shown, hooks, select) {
  const axis = { font: "14px system-ui, sans-serif", stroke: colour("ink"), grid: { stroke: colour("grid") }, ticks: { stroke: colour("grid") } };
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
    axes: [
      { ...axis, incrs: STEPS, space: (u, _, least, most) => (dayAndTime(most - least) ? 130 : 70), size: 32, values: (u, at) => at.map((s) => mark(s, u.scales.x.max - u.scales.x.min)) },
      { ...axis, space: 20, size: 72, values: (u, at) => at.map((v) => number(v)) },
    ],
    series: [{}, { stroke: colour("line"), width: 1.5, points: { show: false } }, edge, edge],
    bands: [{ series: [3, 2], fill: colour("spread") }],
    cursor: { sync: { key: "trends" }, drag: { setScale: false } },
    legend: { show: false },
    hooks: { drawClear: hooks.under, draw: hooks.over, setSelect: [select] },
  };
  return { key, plot: new uPlot(options, [[], [], [], []], place), place };
}
