// What changes something: needs the token, which stays in this tab and goes nowhere but into these calls.

import { find } from "./dom.js";
import { english, say } from "./words.js";

const KEPT = "edge-agent.token";

// Asks for `order` to be done; returns "" or why it was not, as text or as an element.
export async function give(order) {
  for (let why = ""; ; why = say("tokenWrong")) {
    const token = sessionStorage.getItem(KEPT) ?? (await askToken(why));
    if (!token) return say("noToken");
    sessionStorage.setItem(KEPT, token);
    let answer;
    try {
      answer = await fetch("/api/order", {
        method: "POST",
        headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
        body: JSON.stringify(order),
        signal: AbortSignal.timeout(5000),
      });
    } catch {
      return say("noAnswer");
    }
    if (answer.ok) return "";
    if (answer.status !== 401) return english((await answer.json()).error);
    sessionStorage.removeItem(KEPT);
  }
}

function askToken(why) {
  const dialog = find("#token");
  const form = dialog.querySelector("form");
  find("#token-why").textContent = why;
  form.reset();
  dialog.showModal();
  return new Promise((done) => {
    const end = (token) => {
      form.onsubmit = dialog.onclose = null;
      dialog.close();
      form.reset();
      done(token);
    };
    form.onsubmit = (event) => {
      event.preventDefault();
      end(form.elements.token.value.trim());
    };
    dialog.onclose = () => end("");
    dialog.querySelector("button[type=button]").onclick = () => end("");
  });
}
