// @ts-check
// `<time data-ago>` says how long ago, in words that stay true; its tooltip is the reader's local time.

const MINUTE_S = 60, HOUR_S = 3600, DAY_S = 86400;

/** @param {number} s */
const span = (s) =>
  s < MINUTE_S ? `${s} s` : s < HOUR_S ? `${Math.floor(s / MINUTE_S)} min` : s < DAY_S ? `${Math.floor(s / HOUR_S)} h` : `${Math.floor(s / DAY_S)} d`;

/** @param {Date} then @param {Date} now */
const day = (then, now) =>
  then.toLocaleDateString(undefined, { day: "numeric", month: "short", year: then.getFullYear() === now.getFullYear() ? undefined : "numeric" });

/** @param {HTMLTimeElement} element @param {Date} now */
const tellTime = (element, now) => {
  const then = new Date(element.dateTime);
  const s = Math.floor((now.getTime() - then.getTime()) / 1000);
  const kind = element.dataset.ago;
  let text;
  if (kind === "until") text = s < 0 ? `in ${span(-s)}` : "now";
  else if (kind === "clock") text = then.toLocaleTimeString();
  else if (kind === "for") text = s < DAY_S ? `for ${span(Math.max(s, 0))}` : `since ${day(then, now)}`;
  else if (s < 5) text = "just now";
  else if (s < DAY_S) text = kind === "short" ? span(s) : `${span(s)} ago`;
  else text = day(then, now);
  if (element.textContent !== text) element.textContent = text;
  if (!element.title) element.title = then.toLocaleString();
  return kind === "until" || (s < MINUTE_S && kind !== "clock");
};

let timesTimer = 0;

/** Seconds tick only while a time that shows seconds is on the page, and nothing ticks while nobody looks. */
const tellTimes = () => {
  clearTimeout(timesTimer);
  if (document.hidden) return;
  const now = new Date();
  let quick = false;
  for (const element of document.querySelectorAll("time[data-ago]")) {
    if (element instanceof HTMLTimeElement && tellTime(element, now)) quick = true;
  }
  timesTimer = setTimeout(tellTimes, quick ? 1000 : 20000);
};

afterPatch.push((roots) => {
  if (roots.some((root) => root.querySelector("time[data-ago]"))) tellTimes();
});
document.addEventListener("visibilitychange", tellTimes);
tellTimes();
