// What every story of a conversation does.

/** @typedef {import("playwright-core").Page} Page */

/** @param {Page} page @param {string} words */
export async function say(page, words) {
  await page.locator("#words").fill(words);
  await page.keyboard.press("Enter");
}

/** Begins a session and gives its path. @param {Page} page @param {string} words */
export async function begin(page, words) {
  await page.goto("/");
  await say(page, words);
  await page.waitForURL(/\/chat\/ses_/);
  return new URL(page.url()).pathname;
}

/** Waits for the end of so many turns. @param {Page} page @param {number} [turns] */
export const finished = (page, turns = 1) =>
  page.waitForFunction((count) => document.querySelectorAll(".turn-end").length >= count, turns, { timeout: 120_000 });
