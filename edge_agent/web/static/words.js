// The page's words in three languages, and numbers and times as each of them writes them.

import { element, find } from "./dom.js";
import { unitOf } from "./units.js";

const LANGUAGES = ["de", "zh", "en"];
const DATES = { en: "en-GB" }; // 26 Nov 2026: nobody takes the month for the day
const KEPT = "edge-agent.language";
const all = {}; // the words of every language: one can be chosen while the agent is away
let words = {};
let language = "en";

function wanted() {
  const kept = localStorage.getItem(KEPT);
  const preferred = [kept, ...navigator.languages].filter(Boolean).map((name) => name.slice(0, 2).toLowerCase());
  return preferred.find((name) => LANGUAGES.includes(name)) ?? "en";
}

async function load(name) {
  all[name] = await (await fetch(`/static/i18n/${name}.json`)).json();
}

function speak(name) {
  words = all[name];
  language = name;
  document.documentElement.lang = name;
  find("#language").value = name;
  for (const node of document.querySelectorAll("[data-word]")) node.textContent = say(node.dataset.word);
}

let changed = () => {};

// Takes the language of the configuration for readers who have chosen none.
export function prefer(name) {
  if (!LANGUAGES.includes(name) || name === language || localStorage.getItem(KEPT)) return;
  speak(name);
  changed();
}

// Loads the reader's language, and calls `changed` whenever another one is chosen.
export async function begin(on) {
  changed = on;
  find("#language").addEventListener("change", (event) => {
    localStorage.setItem(KEPT, event.target.value);
    speak(event.target.value);
    changed();
  });
  await Promise.all(LANGUAGES.map(load));
  speak(wanted());
}

// The word for a key; {name} in it is replaced. A key without a word, such as a new reason, is shown as it is.
export function say(key, values = {}) {
  const text = words[key] ?? key.split(".").pop();
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

export function number(value, unit = "") {
  if (value === null || value === undefined) return "–";
  const text = new Intl.NumberFormat(language, { ...digits(Math.abs(value)), useGrouping: false }).format(value);
  return unit ? `${text}\u00a0${unitOf(unit)}` : text;
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

const DAYS = [1.5 * 86400, 6 * 86400];

// Whether the marks of an axis of so many seconds have both.
export const dayAndTime = (span) => span > DAYS[0] && span <= DAYS[1];

// Seconds since 1970 as a mark on an axis of `span` seconds: the day where there are several.
export function mark(seconds, span) {
  const time = { hour: "2-digit", minute: "2-digit" };
  const style = span > DAYS[1] ? day() : dayAndTime(span) ? { ...day(), ...time } : time;
  return written(seconds, { ...style, ...(span < 300 ? { second: "2-digit" } : {}) });
}

// Seconds since 1970 as short as it is clear: the minute of today, or the day.
export function briefly(seconds) {
  const [then, now] = [new Date(seconds * 1000), new Date()];
  if (then.toDateString() === now.toDateString()) return written(seconds, { hour: "2-digit", minute: "2-digit" });
  return written(seconds, { ...day(), ...(then.getFullYear() === now.getFullYear() ? {} : { year: "numeric" }) });
}

// Seconds since 1970 as time of day, with the date if it is not today's.
export function when(seconds) {
  if (!seconds) return "–";
  const today = new Date(seconds * 1000).toDateString() === new Date().toDateString();
  return today ? written(seconds, TIME) : dated(seconds);
}

// The same, always with the date.
export const dated = (seconds) => written(seconds, { year: "numeric", ...day(), ...TIME });

const TIME = { hour: "2-digit", minute: "2-digit", second: "2-digit" };
const day = () => (language === "en" ? { month: "short", day: "numeric" } : { month: "2-digit", day: "2-digit" });
const written = (seconds, style) => new Intl.DateTimeFormat(DATES[language] ?? language, { hourCycle: "h23", ...style }).format(seconds * 1000);

export function lasting(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  for (const [unit, size] of [["day", 86400], ["hour", 3600], ["minute", 60]])
    if (whole >= size) return amount(Math.floor(whole / size), unit);
  return amount(whole, "second");
}

const amount = (value, unit) => new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "short" }).format(value);
