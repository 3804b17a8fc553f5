// Buttons that ask something of an alarm, and what came of it.

import { element, find } from "./dom.js";
import { give } from "./orders.js";
import { state } from "./state.js";
import { lasting, say } from "./words.js";

const SHELVES = [900, 3600, 8 * 3600];
const WAITING = ["UNACKNOWLEDGED", "RETURNED", "LATCHED_UNACKNOWLEDGED"];

export const waits = (how) => WAITING.includes(how);
export const outputWaits = (output) => waits(output.alarm_state) || waits(output.warning_state);

export function tell(text) {
  find("#said").textContent = text;
}

async function order(do_, machine, output, shelf) {
  const refused = await give({ do: do_, machine, output, ...(shelf ? { shelf } : {}) });
  find("#refused").hidden = !refused;
  find("#refused").replaceChildren(refused);
  if (!refused) tell(say("done"));
}

// `place` tells buttons apart that ask the same in two places.
export function button(key, machine, output, place = "") {
  const label = say(`order.${key}`);
  const attributes = {
    type: "button",
    "data-focus": `${place}${key} ${machine} ${output}`,
    "data-order": key,
    "aria-label": `${label}: ${machine} ${output}`.trim(),
    onclick: () => order(key, machine, output),
  };
  return element("button", attributes, label);
}

export function shelve(machine, output) {
  const label = say("order.shelve");
  return element(
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
}

// What a tile asks, without a way down to the list: of the output that waits, or of all of them at once.
export function shortcut(machine) {
  if (state.lost) return null;
  const asked = machine.outputs.filter(outputWaits);
  if (!asked.length) return null;
  if (state.layout.writable) return button("acknowledge", machine.name, asked.length > 1 ? "" : asked[0].name, "tile ");
  return element("a", { href: "#alarms-title", class: "jump", "data-focus": `jump ${machine.name}`, "aria-label": `${say("alarms")}: ${machine.name}` }, `↓ ${say("alarms")}`);
}
