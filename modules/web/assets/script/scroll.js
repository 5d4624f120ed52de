// @ts-check
// Scrollers marked `data-stick` keep their end in view, but only while the reader is at the end. `#<id>-below` is the
// pill that says there is more.

/** Closer to the end than this counts as at the end, in CSS pixels. */
const END_PX = 40;

/** @typedef {{ top: number, stuck: boolean }} Place */
/** @type {WeakMap<Element, Place>} */
const places = new WeakMap();

/** @param {Element} box */
const atEnd = (box) => box.scrollHeight - box.scrollTop - box.clientHeight < END_PX;

/** @param {Element} box @param {boolean} more */
const tellMore = (box, more) => byId(`${box.id}-below`)?.toggleAttribute("hidden", !more);

/** @param {Element} box */
const toEnd = (box) => {
  box.scrollTop = box.scrollHeight;
  places.set(box, { top: box.scrollTop, stuck: true });
  tellMore(box, false);
};

// The size of a box changes with the keyboard of a phone, a growing composer, a sentence in the header.
const resized = new ResizeObserver((entries) => {
  for (const { target } of entries) if (places.get(target)?.stuck) toEnd(target);
});

/** Scrollers that are on the page now; new ones begin where their markup says: at the end, or at a marked element. */
const stickies = () => {
  const boxes = [...document.querySelectorAll("[data-stick]")];
  for (const box of boxes) {
    if (places.has(box)) continue;
    const mark = box.querySelector("[data-start]");
    if (mark) mark.scrollIntoView({ block: "start" });
    else box.scrollTop = box.scrollHeight;
    places.set(box, { top: box.scrollTop, stuck: atEnd(box) });
    resized.observe(box);
    box.addEventListener("scroll", () => {
      const last = places.get(box);
      // Going up by hand lets go at once, even within the last pixels; otherwise growing text would pull back.
      const stuck = atEnd(box) && !(last && box.scrollTop < last.top - 1 && last.stuck && !isEndExactly(box));
      places.set(box, { top: box.scrollTop, stuck });
      if (stuck) tellMore(box, false);
    }, { passive: true });
  }
  return boxes;
};

/** @param {Element} box */
const isEndExactly = (box) => box.scrollHeight - box.scrollTop - box.clientHeight <= 2;

/**
 * Applies `change` so that what is being read stays where it is.
 * @param {() => void} change
 */
const keepingPlace = (change) => {
  const held = stickies().map((box) => {
    const view = box.getBoundingClientRect();
    const stuck = places.get(box)?.stuck ?? false;
    // What is at the top edge, found by geometry: growing and older messages alike must not move it.
    const anchor = stuck || !view.height ? null : document.elementFromPoint(view.left + view.width / 2, view.top + 8)?.closest("[id]");
    return { box, stuck, height: box.scrollHeight, anchor, top: anchor?.getBoundingClientRect().top ?? 0 };
  });
  change();
  for (const { box, stuck, height, anchor, top } of held) {
    if (!box.isConnected) continue;
    if (stuck) toEnd(box);
    else {
      const moved = anchor?.isConnected && box.contains(anchor) ? anchor.getBoundingClientRect().top - top : 0;
      if (Math.abs(moved) > 1) box.scrollTop += moved;
      if (box.scrollHeight > height && !atEnd(box)) tellMore(box, true);
    }
  }
  stickies();
};

on("click", "[data-to-end]", (button) => {
  const box = byId(button.dataset.toEnd ?? "");
  if (box) toEnd(box);
  if (box) box.focus({ preventScroll: true });
});

stickies();
