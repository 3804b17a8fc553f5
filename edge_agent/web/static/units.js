// Units as people write them. What is stored and what is told to others stays as the configuration has it.

const WHOLE = { "degC": "°C", "Cel": "°C", "degF": "°F", "[degF]": "°F", "deg": "°", "ohm": "Ω", "Ohm": "Ω", "percent": "%" };
const PREFIXED = /^(k|M|m)[oO]hm$/;
const MICRO = /^u(?=[a-zA-Z]+$)(?!n)/; // um, us, uA; not unit
const LENGTH = /^([a-zA-Z]*?)(m|g|s|in|ft)(?:\^|\*\*)?([23])$/;
const RAISED = { 2: "²", 3: "³" };

const factor = (text) =>
  WHOLE[text] ??
  text
    .replace(PREFIXED, "$1Ω")
    .replace(MICRO, "µ")
    .replace(LENGTH, (_, prefix, base, power) => prefix + base + RAISED[power]);

// "m3/h" is shown as m³/h, "degC" as °C; what is not known stays as it is.
export const unitOf = (text) => text.split(/([/*.· ()])/).map(factor).join("");
