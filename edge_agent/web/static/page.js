// The page: draws what the stream tells, once a second, and says so when it tells nothing.

import { drawAlarms, drawLog } from "./alarms.js";
import { find } from "./dom.js";
import { state, takeLayout, takeSnapshot } from "./state.js";
import { follow } from "./stream.js";
import { drawDevices, drawModels, drawTags, drawWrites } from "./tables.js";
import { condition, drawTiles } from "./tiles.js";
import { drawTrends, keep, lay, relay } from "./trends.js";
import { begin, say, when } from "./words.js";

const WORST = ["lost", "alarm", "none", "warning", "uncertain", "shelved", "waiting", "normal"];

function select(machine) {
  state.selected = machine;
  lay();
  draw();
}

function draw() {
  if (!state.status) return;
  find("#name").textContent = state.layout.name;
  drawTiles(select);
  drawAlarms();
  drawModels();
  drawWrites();
  drawDevices();
  drawTags();
  drawTrends();
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

function link(now) {
  state.lost = !now;
  document.body.classList.toggle("lost", !now);
  find("#lost").hidden = now;
  find("#lost").textContent = now ? "" : say("lost", { time: when(state.at) });
  draw();
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
    lay();
  },
  snapshot: (snapshot) => {
    takeSnapshot(snapshot);
    keep();
    draw();
  },
  link,
});
