// The agent's stream of snapshots: opened again for ever, and never shown as new when it is silent.

const SILENT = 4000; // ms without a snapshot after which nothing on the page may be believed
const RETRY = 2000;

// Calls on.layout(layout), on.snapshot(snapshot), on.moved(to), and on.link(true or false).
export function follow(on) {
  let source = null;
  const now = () => ({ ticks: performance.now(), wall: Date.now() });
  let heard = now();
  let linked = null;
  let quickest = Infinity; // the way of a snapshot, in ms, but for a constant

  const link = (now) => {
    if (now !== linked) on.link((linked = now));
  };

  // While a laptop sleeps the one clock stands still, and when it is set the other one jumps.
  const silence = () => Math.max(performance.now() - heard.ticks, Date.now() - heard.wall);

  // A snapshot that was under way for long, in a proxy or in a sleeping machine, is not of now.
  const late = (snapshot) => {
    const way = Date.now() - 1000 * snapshot.status.uptime;
    quickest = Math.min(quickest, way);
    return way - quickest > SILENT;
  };

  const open = () => {
    source?.close();
    source = new EventSource("/api/stream");
    source.addEventListener("layout", (event) => {
      quickest = Infinity;
      on.layout(JSON.parse(event.data));
    });
    source.addEventListener("moved", (event) => {
      on.moved(JSON.parse(event.data));
      link(false);
    });
    source.addEventListener("snapshot", (event) => {
      const snapshot = JSON.parse(event.data);
      const fresh = !late(snapshot) && !snapshot.hung;
      if (fresh) heard = now();
      else link(false);
      on.snapshot(snapshot); // it is taken all the same: the next one says only what changed since
      if (fresh) link(true);
    });
    source.addEventListener("error", () => {
      // What the server refuses, and what a proxy answers, is not tried again by the browser.
      if (source.readyState === EventSource.CLOSED) setTimeout(open, RETRY);
    });
  };

  const look = () => {
    if (silence() < SILENT) return;
    link(false);
    // A connection that is open and says nothing is a dead one.
    if (source.readyState === EventSource.OPEN && silence() > 3 * SILENT) open();
  };

  setInterval(look, 1000);
  for (const woken of ["visibilitychange", "resume"]) document.addEventListener(woken, look);
  addEventListener("pageshow", look);
  open();
}
