// Building pieces of the page. Text is always text: nothing that a tag is called becomes markup.

export const find = (selector) => document.querySelector(selector);

// element("td", {class: "number"}, "3.2") makes a node; `on…` attributes are listeners, true is an empty attribute.
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

// The same for a piece of SVG.
export function drawn(name, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

export const shape = (name) => drawn("svg", { class: "shape", "aria-hidden": "true" }, drawn("use", { href: `#${name}` }));

// Brings the children of `parent` to what they should be and touches only those that differ: focus and
// selection stay where they are, and a screen reader hears only what changed.
export function show(parent, ...children) {
  children.forEach((child, at) => {
    const there = parent.children[at];
    if (!there) parent.append(child);
    else if (!there.isEqualNode(child)) merge(there, child);
  });
  while (parent.children.length > children.length) parent.lastElementChild.remove();
}

function merge(there, child) {
  const apart = there.tagName !== child.tagName || there.dataset.key !== child.dataset.key;
  // Of a list whose choices are exchanged one by one the wrong one would be chosen.
  if (apart || there.tagName === "SELECT" || holdsText(there) || holdsText(child)) {
    const focused = there.contains(document.activeElement) ? document.activeElement.dataset.focus : null;
    there.replaceWith(child);
    if (focused) child.parentNode.querySelector(`[data-focus="${CSS.escape(focused)}"]`)?.focus();
    return;
  }
  for (const { name } of [...there.attributes]) if (!child.hasAttribute(name)) there.removeAttribute(name);
  for (const { name, value } of child.attributes) if (there.getAttribute(name) !== value) there.setAttribute(name, value);
  show(there, ...child.children);
}

const holdsText = (node) => [...node.childNodes].some((inner) => inner.nodeType === Node.TEXT_NODE);

export function table(heads, rows) {
  // Where there is no room for columns a cell says itself what it is.
  for (const row of rows) [...row.children].forEach((cell, at) => (cell.dataset.head = heads[at]));
  const head = element("tr", {}, ...heads.map((text) => element("th", { scope: "col" }, text)));
  // Can be reached with the keyboard, to be moved where it is too wide.
  return element("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": heads[0] }, element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows)));
}

export const row = (key, ...cells) =>
  element("tr", { "data-key": key }, ...cells.map((cell) => (cell instanceof Element && cell.tagName === "TD" ? cell : element("td", {}, cell ?? "–"))));
