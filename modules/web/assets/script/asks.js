// @ts-check
// What waits for an answer cannot be answered in its first moment at a place: the second click of a double click, or a
// key that was meant for something else, would answer what nobody has read.

const ASK_HOLD_MS = 500;
let askPlaces = "", asksHeldUntil = 0, asksTimer = 0;

/** Holds the buttons of cards that have come or moved, and lets go of the others. */
const holdAsks = () => {
  const found = [...document.querySelectorAll(".ask")].map((card) => {
    const { left, top, bottom } = card.getBoundingClientRect();
    // Scrolling is no moving.
    const scrolled = card.parentElement?.parentElement?.scrollTop ?? 0;
    return [card.id, ...[left, top + scrolled, bottom + scrolled].map(Math.round)].join(" ");
  }).join();
  if (found !== askPlaces) asksHeldUntil = performance.now() + ASK_HOLD_MS;
  askPlaces = found;
  const left = found ? asksHeldUntil - performance.now() : 0;
  for (const button of document.querySelectorAll(".ask button")) button.ariaDisabled = left > 0 ? "true" : null;
  clearTimeout(asksTimer);
  if (left > 0) asksTimer = setTimeout(holdAsks, left);
};

document.addEventListener("submit", (event) => {
  if (performance.now() >= asksHeldUntil || !(event.target instanceof Element && event.target.closest(".ask"))) return;
  event.preventDefault();
  event.stopImmediatePropagation();
}, true);

document.addEventListener("visibilitychange", () => {
  // Whoever comes back has not read yet what came meanwhile.
  askPlaces = "";
  holdAsks();
});
afterPatch.push(holdAsks);
holdAsks();
