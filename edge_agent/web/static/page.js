// The page: draws what the stream tells, once a second, and says so when it tells nothing.

import { drawAlarms } from "./alarms.js";
import { find } from "./dom.js";
import { keep } from "./kept.js";
import { drawLog } from "./log.js";
import { state, takeLayout, takeSnapshot } from "./state.js";
import { follow } from "./stream.js";
import { drawDevices, drawModels, drawTags, drawWrites } from "./tables.js";
import { WORST, condition } from "./conditions.js";
import { drawTiles } from "./tiles.js";
import { drawTrends, lay, relay } from "./trends.js";
import { begin, prefer, say, when } from "./words.js";

// Somebody chooses a machine, or, with the one that is chosen, that the worst is followed again.
function select(machine) {
  state.stays = !(state.stays && machine === state.selected);
  state.selected = machine;
  lay();
  draw();
}

// Charts are of the worst machine until somebody chooses one, or looks at what was.
function followWorst() {
  if (state.stays || state.range || state.lost) return;
  const rank = (machine) => WORST.indexOf(condition(machine));
  const { machines } = state.status;
  const looked = machines.find((machine) => machine.name === state.selected);
  const [worst] = [...machines].sort((a, b) => rank(a) - rank(b));
  if (!worst || (looked && rank(looked) <= rank(worst))) return;
  state.selected = worst.name;
  lay();
}

function draw() {
  if (!state.status) return;
  followWorst();
  find("#name").textContent = state.layout.name;
  drawTiles(select);
  drawAlarms();
  drawModels();
  drawWrites();
  drawDevices();
  drawTags();
  drawTrends();
  banner();
  title();
}

function title() {
  const conditions = state.status.machines.map(condition);
  const worst = WORST.find((how) => conditions.includes(how)) ?? "normal";
  // Tiles keep their places, so the worst may be below the edge of the screen: it is counted at the top.
  const counted = WORST.filter((how) => how !== "normal" && conditions.includes(how));
  find("#summary").textContent = counted.map((how) => `${conditions.filter((c) => c === how).length} × ${say(`condition.${how}`)}`).join(" · ");
  const word = state.lost ? say("lostShort") : say(`condition.${worst}`);
  document.title = `${word} – ${state.layout.name}`;
  find("#link").textContent = state.lost ? `○ ${say("lostShort")}` : `● ${say("live")}`;
  find("#clock").textContent = when(state.at);
}

let whereto = ""; // what the agent said last of itself

function link(now) {
  state.lost = !now;
  document.body.classList.toggle("lost", !now);
  banner();
  draw();
}

function banner() {
  find("#lost").hidden = !state.lost;
  find("#lost").textContent = state.lost ? `${whereto || say("lost")} ${say("old", { time: when(state.at) })}` : "";
}

// The page is served elsewhere: who came to it by its own port follows, all others are told.
function moved({ before, scheme, host, port, follows }) {
  if (!host) whereto = say("switchedOff");
  else if (follows && Number(location.port) === before) location.replace(`${scheme}://${location.hostname}:${port}/`);
  else whereto = say("moved", { address: `${scheme}://${host}:${port}/` });
}

await begin(() => {
  relay();
  draw();
  if (state.lost) link(false);
});
find("#log").addEventListener("toggle", drawLog);
find("#tags").addEventListener("toggle", () => state.status && drawTags());
follow({
  layout: (layout) => {
    takeLayout(layout);
    prefer(layout.language);
    lay();
  },
  snapshot: (snapshot) => {
    takeSnapshot(snapshot);
    whereto = snapshot.hung ? say("hung", { what: snapshot.hung }) : "";
    keep();
    draw();
  },
  moved,
  link,
});
