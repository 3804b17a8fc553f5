// The agent's stream of snapshots: opened again for ever, and never shown as new when it is silent.

const SILENT = 4000; // ms without a snapshot after which nothing on the page may be believed
const RETRY = 2000;

// Calls on.layout(layout), on.snapshot(snapshot), and on.link(true or false).
export function follow(on) {
  let source = null;
  let heard = 0;
  let linked = null;

  const link = (now) => {
    if (now !== linked) on.link((linked = now));
  };

  const open = () => {
    source?.close();
    source = new EventSource("/api/stream");
    source.addEventListener("layout", (event) => on.layout(JSON.parse(event.data)));
    source.addEventListener("snapshot", (event) => {
      heard = performance.now();
      link(true);
      on.snapshot(JSON.parse(event.data));
    });
    source.addEventListener("error", () => {
      // What the server refuses, and what a proxy answers, is not tried again by the browser.
      if (source.readyState === EventSource.CLOSED) setTimeout(open, RETRY);
    });
  };

  setInterval(() => {
    if (performance.now() - heard < SILENT) return;
    link(false);
    // A connection that is open and says nothing is a dead one.
    if (source.readyState === EventSource.OPEN && performance.now() - heard > 3 * SILENT) open();
  }, 1000);
  open();
}
