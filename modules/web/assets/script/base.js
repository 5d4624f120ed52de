// @ts-check
// The parts of this folder share one scope: they are joined in the order named in build.rs and wrapped in one function.

/**
 * What the content policy lets make HTML: one policy, one caller, and only markup our own server rendered. And the one
 * worker there is.
 */
const policy = /** @type {any} */ (window).trustedTypes?.createPolicy("nexus", {
  createHTML: (/** @type {string} */ html) => html,
  createScriptURL: () => "/sw.js",
});
// It keeps the shell for when the machine is out of reach, which it never is for a page on it.
if (location.protocol === "https:") navigator.serviceWorker?.register(policy?.createScriptURL("") ?? "/sw.js");

/**
 * Parses markup from our server. Scripts in it never run: a template's content is inert and none are sent.
 * @param {string} html
 */
const parse = (html) => {
  const template = document.createElement("template");
  template.innerHTML = policy ? policy.createHTML(html) : html;
  return template.content;
};

/** @param {string} id */
const byId = (id) => document.getElementById(id);

/**
 * Calls `run` for events of `kind` inside elements that match `selector`, wherever they came from and whenever.
 * @template {keyof DocumentEventMap} K
 * @param {K} kind
 * @param {string} selector
 * @param {(element: HTMLElement, event: DocumentEventMap[K]) => void} run
 */
const on = (kind, selector, run) =>
  document.addEventListener(kind, (event) => {
    const found = event.target instanceof Element && event.target.closest(selector);
    if (found instanceof HTMLElement) run(found, event);
  });

/** What is done after patches: relative times, announcements, the composer's measuring. @type {((roots: Element[]) => void)[]} */
const afterPatch = [];

/**
 * A new element with text, never HTML.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {string} className
 * @param {string} [text]
 */
const make = (tag, className, text) => {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text) element.textContent = text;
  return element;
};

/** Says `text` to screen readers when they have finished what they are saying. @param {string} text */
const announce = (text) => {
  const region = byId("announcer");
  if (!region) return;
  // A line each, so that two messages in a row are both heard; old ones are of no use to anybody.
  region.append(make("p", "", text.slice(0, 2000)));
  while (region.childElementCount > 5) region.firstElementChild?.remove();
};

const TOAST_MS = 8000;

/**
 * A sentence at the bottom of the page, gone after some seconds, with at most one thing to do about it.
 * @param {string} text
 * @param {string} [label]
 * @param {() => void} [act]
 */
const toast = (text, label, act) => {
  const box = make("div", "toast");
  box.append(make("span", "", text));
  const button = make("button", "button", label ?? "Close");
  button.type = "button";
  button.addEventListener("click", () => {
    box.remove();
    act?.();
  });
  box.append(button);
  byId("toasts")?.append(box);
  let timer = 0;
  const leave = () => (timer = setTimeout(() => box.remove(), TOAST_MS));
  // Nobody is hurried: the sentence stays while it is pointed at or focused.
  for (const kind of ["pointerenter", "focusin"]) box.addEventListener(kind, () => clearTimeout(timer));
  for (const kind of ["pointerleave", "focusout"]) box.addEventListener(kind, leave);
  leave();
};
