// Models, writes, devices and tags, as plain tables.

import { element, find, row, show, table } from "./dom.js";
import { asset, state } from "./state.js";
import { english, lasting, number, say, when, whole } from "./words.js";

const QUALITY = ["BAD", "UNCERTAIN", "GOOD"];
const FEW = 8;
const ms = (seconds) => (seconds === null || seconds === undefined ? null : `${number(seconds * 1000)} ms`);
const heads = (...keys) => keys.map((key) => say(key));

const said = (error) => (error ? element("td", {}, english(error)) : null);
const few = (names) => names.slice(0, FEW).join(", ") + (names.length > FEW ? ` … (${names.length})` : "");

function sign(good, yes, no) {
  return element("td", { class: good ? "good" : "bad" }, `${good ? "✓" : "✗"} ${say(good ? yes : no)}`);
}

// The largest stability index of the last hour and day: above 0.2 the inputs are not those of training any more.
function drift(machine) {
  const told = Object.entries(machine.drift ?? {}).map(([span, found]) => {
    const [name, index] = Object.entries(found).sort((a, b) => b[1] - a[1])[0] ?? [];
    return name === undefined ? null : `${say(`drift.${span}`)}: ${name} ${number(index)}`;
  });
  return told.filter(Boolean).join("; ") || null;
}

// How a candidate agrees with the active model, and what it still lacks.
function beside(candidate) {
  if (!candidate) return null;
  const { cycles, flips, only_active, only_candidate } = candidate.tally;
  const told = [
    `${candidate.bundle} (${candidate.sequence})`,
    say("candidate.cycles", { cycles: whole(cycles) }),
    say("candidate.flips", { flips }),
    say("candidate.alarms", { active: only_active, candidate: only_candidate }),
    `p99 ${ms(candidate.p99) ?? "–"}`,
    candidate.lacks.length ? `${say("candidate.lacks")}: ` : `✓ ${say("candidate.may")}`,
  ];
  return element("td", {}, told.join(" · "), english(candidate.lacks.join("; ")));
}

export function drawModels() {
  const drawn = state.status.machines.map((machine) => {
    const known = asset(machine.name);
    return row(
      machine.name,
      machine.name,
      machine.bundle,
      `${known?.sequence ?? ""} · ${known?.sha256.slice(0, 8) ?? ""}`,
      sign(machine.model_runs, "proven", "notProven"),
      machine.runtime,
      String(machine.model_starts),
      drift(machine),
      beside(machine.candidate),
    );
  });
  show(find("#models"), table(heads("machine", "bundle", "sequence", "knownAnswers", "runtime", "starts", "drift", "candidate"), drawn));
}

export function drawWrites() {
  const drawn = state.status.machines.map((machine) => {
    const { verified = 0, refused = 0, ...others } = machine.writes;
    const failed = Object.values(others).reduce((sum, count) => sum + count, 0);
    const last = machine.last_write ? `${when(machine.written_at)} · ${say(`written.${machine.last_write}`)}` : say("never");
    return row(
      machine.name,
      machine.name,
      say(`mode.${machine.mode}`),
      last,
      whole(verified),
      whole(refused),
      whole(failed),
      machine.latched ? sign(false, "", "latched") : say(`denied.${machine.denied}`),
    );
  });
  show(find("#writes"), table(heads("machine", "mode", "lastWrite", "verified", "refused", "otherWrites", "outputsDenied"), drawn));
}

// Who is told the results, beside the PLC; no row for what nobody asked for.
function north() {
  const { mqtt, opcua_server: server } = state.status;
  const told = [];
  if (mqtt) {
    const oldest = mqtt.oldest ? ` · ${say("oldest")} ${lasting(state.at - mqtt.oldest)} · ${number(100 * mqtt.room)} %` : "";
    const dropped = mqtt.dropped ? element("td", { class: "bad" }, whole(mqtt.dropped)) : "0";
    told.push(row("mqtt", `MQTT ${mqtt.broker}`, sign(mqtt.connected, "connected", "away"), when(mqtt.since), whole(mqtt.waiting) + oldest, whole(mqtt.told), dropped, said(mqtt.error)));
  }
  if (server)
    told.push(row("opcua", server.endpoint, sign(server.listening, "listening", "down"), when(server.since), null, say("clients", { clients: whole(server.clients) }), null, said(server.error)));
  return told;
}

export function drawDevices() {
  const drawn = state.status.devices.map((device) =>
    row(
      device.name,
      device.name,
      device.healthy === null ? say("notAsked") : sign(device.healthy, "answers", "silent"),
      ms(device.round_trip),
      whole(device.reads),
      whole(device.failures),
      device.bad_tags.length ? element("td", { class: "bad" }, few(device.bad_tags)) : "0",
      device.quarantined.length ? few(device.quarantined) : "0",
    ),
  );
  const scans = state.status.scans.map((scan) =>
    row(scan.period, `${number(scan.period)} s`, whole(scan.cycles), whole(scan.overruns), ms(scan.took), ms(scan.late)),
  );
  const told = north();
  show(
    find("#devices"),
    table(heads("device", "linkState", "roundTrip", "reads", "failures", "badTags", "refusedTags"), drawn),
    ...(told.length ? [table(heads("toldTo", "linkState", "sinceWhen", "untold", "told", "dropped", "lastError"), told)] : []),
    table(heads("scan", "cycles", "overruns", "cycleTook", "cycleLate"), scans),
  );
  const { history_lost: lost, history_trouble: trouble } = state.status;
  show(find("#trouble"), ...(trouble ? [element("p", { class: "refused", role: "alert" }, `${say("history")}: `, english(trouble))] : []));
  find("#about").textContent =
    `${state.status.name} · edge-agent ${state.status.version} · ${say("uptime")} ${lasting(state.status.uptime)} · ` +
    `${say("history")}: ${whole(state.status.history_committed)}` + (lost ? ` · ${say("historyLost")}: ${whole(lost)}` : "");
}

export function drawTags() {
  const place = find("#tags");
  if (!place.open) return;
  const { tags, units } = state.layout;
  const drawn = tags.map((name, at) => {
    const quality = QUALITY[state.quality[at]];
    return row(name, name, number(state.values[at], units[at]), element("td", { class: quality === "GOOD" ? "good" : "bad" }, say(`quality.${quality}`)));
  });
  show(place.lastElementChild, table(heads("tag", "value", "quality"), drawn));
}
