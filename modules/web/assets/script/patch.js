// @ts-check
// The four ways a page changes, each by element id. Replacing an element changes only what differs, so that focus,
// selection, open details and scroll positions inside it survive.

/** @typedef {["s"|"a", string, string] | ["t", string, string] | ["i", string, string|null, string] | ["r", string]} Patch */

/** Whether the server last rendered a `<details>` open: only a change of its mind changes what the reader chose. */
/** @type {WeakMap<Element, boolean>} */
const rendered = new WeakMap();

/** @param {Element} old @param {Element} fresh */
const morphAttributes = (old, fresh) => {
  for (const { name, value } of [...fresh.attributes]) {
    if (name === "open" && old instanceof HTMLDetailsElement) continue;
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  for (const { name } of [...old.attributes]) {
    if (name === "open" || name === "aria-busy" || fresh.hasAttribute(name)) continue;
    old.removeAttribute(name);
  }
  if (old instanceof HTMLDetailsElement) {
    const open = fresh.hasAttribute("open");
    if (rendered.get(old) !== open && (open || rendered.has(old))) old.open = open;
    rendered.set(old, open);
  }
  if (old instanceof HTMLInputElement && fresh instanceof HTMLInputElement && old !== document.activeElement) {
    if (old.type === "checkbox" || old.type === "radio") old.checked = fresh.checked;
  }
};

/** @param {Node} old @param {Node} fresh */
const alike = (old, fresh) =>
  old.nodeName === fresh.nodeName &&
  (!(old instanceof Element) || !(fresh instanceof Element) || old.id === fresh.id);

/** @param {Element} old @param {Element} fresh */
const morph = (old, fresh) => {
  morphAttributes(old, fresh);
  // What a person is typing is theirs.
  if (old.hasAttribute("data-keep") || old instanceof HTMLTextAreaElement) return;
  let at = old.firstChild;
  for (const next of [...fresh.childNodes]) {
    const id = next instanceof Element && next.id;
    /** @type {ChildNode|null} */
    let match = at;
    if (id) {
      const known = byId(id);
      match = known?.parentNode === old ? known : null;
    } else {
      while (match instanceof Element && match.id && !fresh.querySelector(`#${CSS.escape(match.id)}`)) match = match.nextSibling;
    }
    if (match && alike(match, next)) {
      if (match !== at) {
        // Elements with ids keep their order; what stood between is gone or comes later.
        old.insertBefore(match, at);
      } else at = at.nextSibling;
      if (match instanceof Element && next instanceof Element) morph(match, next);
      else if (match.nodeValue !== next.nodeValue) match.nodeValue = next.nodeValue;
    } else old.insertBefore(next, at);
  }
  while (at) {
    const gone = at;
    at = at.nextSibling;
    drop(gone);
  }
};

/** Takes a node away; when it held the focus, the focus goes to what is nearest. @param {ChildNode} node */
const drop = (node) => {
  const around = node instanceof Element && node.contains(document.activeElement) ? node.parentElement : null;
  const next = around && node instanceof Element ? node.nextElementSibling ?? node.previousElementSibling : null;
  node.remove();
  if (!around) return;
  const target = next?.querySelector("a, button, summary, input, textarea") ?? around.closest("[tabindex]") ?? byId("main");
  if (target instanceof HTMLElement) target.focus({ preventScroll: true });
};

/**
 * Applies one patch and gives the elements that changed.
 * @param {Patch} patch
 * @returns {Element[]}
 */
const applyPatch = (patch) => {
  const target = byId(patch[1]);
  if (!target) return [];
  switch (patch[0]) {
    case "s": {
      const fresh = parse(patch[2]).firstElementChild;
      if (!fresh) return [];
      if (alike(target, fresh)) {
        morph(target, fresh);
        return [target];
      }
      target.replaceWith(fresh);
      return [fresh];
    }
    case "a": {
      const fresh = parse(patch[2]);
      const added = [...fresh.children];
      target.append(fresh);
      return added;
    }
    case "t": {
      const last = target.lastChild;
      if (last instanceof Text) last.appendData(patch[2]);
      else target.append(patch[2]);
      return [];
    }
    case "i": {
      const [, , before, html] = patch;
      const fresh = parse(html).firstElementChild;
      if (!fresh) return [];
      const mark = before ? byId(before) : null;
      const place = mark?.parentNode === target ? mark : null;
      // The same element again is the same element in another place.
      const known = fresh.id ? byId(fresh.id) : null;
      if (known && known.parentNode === target && alike(known, fresh)) {
        if (known !== place && known.nextSibling !== place) target.insertBefore(known, place);
        morph(known, fresh);
        return [known];
      }
      known?.remove();
      target.insertBefore(fresh, place);
      return [fresh];
    }
    case "r":
      drop(target);
      return [];
    default:
      return [];
  }
};

/** Finished texts, marked `data-announce`, are read out once; those that were there at the start are not. */
const said = new WeakSet(document.querySelectorAll("[data-announce]"));

afterPatch.push((roots) => {
  for (const root of roots) {
    const marked = [...root.querySelectorAll("[data-announce]")];
    if (root.matches("[data-announce]")) marked.unshift(root);
    for (const element of marked) {
      if (said.has(element)) continue;
      said.add(element);
      announce(element.getAttribute("data-announce") || element.textContent || "");
    }
  }
});

/** @param {Patch[]} patches */
const applyAll = (patches) => {
  if (!patches.length) return;
  /** @type {Element[]} */
  const changed = [];
  keepingPlace(() => {
    for (const patch of patches) changed.push(...applyPatch(patch));
  });
  if (changed.length) for (const run of afterPatch) run(changed);
};
