// @ts-check
// Keys. An element says which key presses it: `data-key="n"`, or two in a row as in "g d". `?` lists them.

const KEYS_OFF = "nexus.keys.off";
const SEQUENCE_MS = 900;
let pending = "", pendingTimer = 0;

const isTyping = () => {
  const active = document.activeElement;
  return active instanceof HTMLElement && active.matches("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]");
};

const keyed = () =>
  [.../** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-key]"))];

/** @param {HTMLElement} element */
const keyLabel = (element) => element.dataset.keyLabel ?? element.ariaLabel ?? element.textContent?.trim() ?? "";

const listKeys = () => {
  byId("keys")?.remove();
  const dialog = make("dialog", "");
  dialog.id = "keys";
  dialog.ariaLabel = "Keys";
  const list = make("dl", "keys");
  const seen = new Set();
  const add = (/** @type {string} */ key, /** @type {string} */ label) => {
    if (!label || seen.has(key)) return;
    seen.add(key);
    const term = make("dt", "");
    for (const part of key.split(" ")) term.append(make("kbd", "", part), " ");
    list.append(term, make("dd", "", label));
  };
  for (const element of keyed()) add(element.dataset.key ?? "", keyLabel(element));
  for (const element of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-keys-help]"))) {
    const [key = "", label = ""] = (element.dataset.keysHelp ?? "").split("|");
    add(key, label);
  }
  add("Esc", "One step back");
  add("?", "This list");
  const form = make("form", "buttons");
  form.method = "dialog";
  const off = make("label", "mark");
  const box = make("input", "");
  box.type = "checkbox";
  box.checked = !localStorage.getItem(KEYS_OFF);
  box.addEventListener("change", () => (box.checked ? localStorage.removeItem(KEYS_OFF) : localStorage.setItem(KEYS_OFF, "1")));
  off.append(box, "Single keys are on");
  form.append(off, make("button", "button primary", "Close"));
  dialog.append(make("h2", "", "Keys"), list, form);
  document.body.append(dialog);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.showModal();
};

/** @param {HTMLElement} element */
const press = (element) => {
  if (element.matches("input:not([type=checkbox], [type=radio]), textarea, select")) element.focus();
  else element.click();
};

document.addEventListener("keydown", (event) => {
  // A key that is held answers one thing, not what comes after it as well.
  if (event.defaultPrevented || event.isComposing || event.repeat) return;
  if (event.key === "Escape") {
    if (document.querySelector("dialog[open], :popover-open")) return;
    if (isTyping() && document.activeElement instanceof HTMLElement) return document.activeElement.blur();
    const back = document.querySelector("[data-escape]");
    if (back instanceof HTMLElement) back.click();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping() || document.querySelector("dialog[open]")) return;
  if (event.key === "?") {
    event.preventDefault();
    return listKeys();
  }
  if (localStorage.getItem(KEYS_OFF)) return;
  const combo = `${pending}${event.key}`;
  clearTimeout(pendingTimer);
  pending = "";
  const found = keyed().find((element) => element.dataset.key === combo && element.getClientRects().length > 0)
    ?? keyed().find((element) => element.dataset.key === combo && element instanceof HTMLAnchorElement);
  if (found) {
    event.preventDefault();
    press(found);
  } else if (keyed().some((element) => element.dataset.key?.startsWith(`${combo} `))) {
    pending = `${combo} `;
    pendingTimer = setTimeout(() => (pending = ""), SEQUENCE_MS);
  }
});
on("click", "[data-list-keys]", listKeys);
