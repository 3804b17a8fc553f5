// The page's words in three languages, and numbers and times as each of them writes them.

import { element, find } from "./dom.js";

const LANGUAGES = ["de", "zh", "en"];
const KEPT = "edge-agent.language";
let words = {};
let language = "en";

function wanted() {
  const kept = localStorage.getItem(KEPT);
  const preferred = [kept, ...navigator.languages].filter(Boolean).map((name) => name.slice(0, 2).toLowerCase());
  return preferred.find((name) => LANGUAGES.includes(name)) ?? "en";
}

async function load(name) {
  const answer = await fetch(`/static/i18n/${name}.json`);
  words = await answer.json();
  language = name;
  document.documentElement.lang = name;
  find("#language").value = name;
  for (const node of document.querySelectorAll("[data-word]")) node.textContent = say(node.dataset.word);
}

let changed = () => {};

// Takes the language of the configuration for readers who have chosen none.
export async function prefer(name) {
  if (!LANGUAGES.includes(name) || name === language || localStorage.getItem(KEPT)) return;
  await load(name);
  changed();
}

// Loads the reader's language, and calls `changed` whenever another one is chosen.
export async function begin(on) {
  changed = on;
  find("#language").addEventListener("change", async (event) => {
    localStorage.setItem(KEPT, event.target.value);
    await load(event.target.value);
    changed();
  });
  await load(wanted());
}

// The word for a key; {name} in it is replaced. A key without a word, such as a new reason, is shown as it is.
export function say(key, values = {}) {
  const text = words[key] ?? key.split(".").pop();
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

export function number(value, unit = "") {
  if (value === null || value === undefined) return "–";
  const text = new Intl.NumberFormat(language, { ...digits(Math.abs(value)), useGrouping: false }).format(value);
  return unit ? `${text} ${unit}` : text;
}

// Four digits, but all of those before the point; what is small is neither long nor nothing.
function digits(size) {
  if (size >= 1000) return { maximumFractionDigits: 0 };
  return size && size < 1e-3 ? { notation: "scientific", maximumSignificantDigits: 2 } : { maximumSignificantDigits: 4 };
}

// What is remarkable about an input, as a sentence.
export function remark({ kind, input, value, bound, unit }) {
  const far = /_(others|mean|forecast)$/.test(kind) ? Math.abs(value) : value; // the word says which way
  return say(`remark.${kind}`, { input, value: number(far, unit), bound: number(bound, unit) });
}

// What the agent says in its own language.
export const english = (text) => element("span", { lang: "en" }, text);

export const whole = (count) => new Intl.NumberFormat(language).format(count);

// Seconds since 1970 as a mark on an axis of `span` seconds: the day where there are several.
export function mark(seconds, span) {
  const day = { month: "2-digit", day: "2-digit" };
  const time = { hour: "2-digit", minute: "2-digit" };
  const style = span > 6 * 86400 ? day : span > 1.5 * 86400 ? { ...day, ...time } : time;
  return new Intl.DateTimeFormat(language, { hourCycle: "h23", ...style, ...(span < 300 ? { second: "2-digit" } : {}) }).format(seconds * 1000);
}

// Seconds since 1970 as time of day, with the date if it is not today's.
export function when(seconds) {
  if (!seconds) return "–";
  const today = new Date(seconds * 1000).toDateString() === new Date().toDateString();
  return today ? written(seconds, TIME) : dated(seconds);
}

// The same, always with the date.
export const dated = (seconds) => written(seconds, { year: "numeric", month: "2-digit", day: "2-digit", ...TIME });

const TIME = { hour: "2-digit", minute: "2-digit", second: "2-digit" };
const written = (seconds, style) => new Intl.DateTimeFormat(language, { hourCycle: "h23", ...style }).format(seconds * 1000);

export function lasting(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  for (const [unit, size] of [["day", 86400], ["hour", 3600], ["minute", 60]])
    if (whole >= size) return amount(Math.floor(whole / size), unit);
  return amount(whole, "second");
}

const amount = (value, unit) => new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "short" }).format(value);
