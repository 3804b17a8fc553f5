// What the whole page knows: the layout, the latest snapshot, all tags, and the machine that is looked at.

export const state = {
  layout: null,
  status: null, // of the latest snapshot
  at: 0, // its time, in seconds since 1970
  values: [],
  quality: [],
  selected: "",
  stays: false, // somebody chose it; else it is the worst
  range: null, // {since, until} of the history that is looked at, null is live
  lost: false, // nothing is heard: what is here was true once
};

export function takeLayout(layout) {
  state.layout = layout;
  state.values = new Array(layout.tags.length).fill(null);
  state.quality = new Array(layout.tags.length).fill(0);
  if (layout.machines.some((machine) => machine.name === state.selected)) return;
  state.selected = layout.machines[0]?.name ?? "";
  state.stays = false;
}

export function takeSnapshot(snapshot) {
  state.status = snapshot.status;
  state.at = snapshot.at;
  const { rows, values, quality } = snapshot.values;
  rows.forEach((row, at) => {
    state.values[row] = values[at];
    state.quality[row] = quality[at];
  });
}

export const asset = (name) => state.layout.machines.find((machine) => machine.name === name);
