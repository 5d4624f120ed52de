// Real Chromium without a head, as a person with a given screen and taste has it.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import assert from "node:assert/strict";
import { axeSource, chromium, playwright } from "./tools.js";
import { patience_ms } from "./agent.js";

/** Screens a page must fit, in CSS pixels. */
export const sizes = {
  small: { width: 320, height: 640 },
  phone: { width: 360, height: 740 },
  window: { width: 440, height: 720 },
  tablet: { width: 768, height: 1024 },
  wide: { width: 1280, height: 860 },
};
/** @typedef {keyof typeof sizes} Size */
/** @typedef {import("playwright-core").Page} Page */

/** A browser for the stories of one file. Close it at the end. */
export const launch = () =>
  playwright.chromium.launch({ executablePath: chromium, args: ["--disable-gpu", "--no-proxy-server"] });

/**
 * A fresh profile with a page in it. What the page logs as an error fails the story through `errors`.
 * @param {import("playwright-core").Browser} browser
 * @param {{size?: Size, scheme?: "light" | "dark", base?: string}} [wish]
 */
export async function open(browser, { size = "wide", scheme = "light", base } = {}) {
  const context = await browser.newContext({
    viewport: sizes[size],
    colorScheme: scheme,
    reducedMotion: "reduce",
    ...(base ? { baseURL: base } : {}),
  });
  const page = await context.newPage();
  page.setDefaultTimeout(patience_ms / 2);
  /** @type {string[]} */
  const errors = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error") errors.push(message.text());
  });
  return { context, page, errors };
}

/**
 * Enters by a printed link: a page with one button, which leads to the page asked for.
 * @param {Page} page
 * @param {import("./agent.js").Agent} agent
 * @param {string} [to] `chat`, `dashboard`, `onboarding` or a path
 */
export async function enter(page, agent, to = "chat") {
  await page.goto(await agent.link(to));
  await page.getByRole("main").getByRole("button").first().click();
  await page.waitForURL((url) => !url.pathname.startsWith("/enter"));
}

/**
 * What axe finds on the page as it is now, as one line each.
 * @param {Page} page
 */
export async function axe(page) {
  // Through the debugger, so that the page's own rules about scripts stay in force.
  await page.evaluate(axeSource);
  const found = await page.evaluate(async () => {
    // @ts-expect-error: put there one line above
    const { violations } = await globalThis.axe.run(document, {
      runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    });
    return violations.map((/** @type {any} */ violation) => ({
      impact: violation.impact,
      text: `${violation.id} (${violation.impact}): ${violation.nodes
        .slice(0, 3)
        .map((/** @type {any} */ node) => node.html.slice(0, 160))
        .join(" | ")}`,
    }));
  });
  return /** @type {{impact: string, text: string}[]} */ (found);
}

/**
 * Fails on anything serious, and on a page that is wider than its screen.
 * @param {Page} page
 */
export async function assertUsable(page) {
  const found = (await axe(page)).filter(({ impact }) => impact === "serious" || impact === "critical");
  assert.deepEqual(
    found.map(({ text }) => text),
    [],
  );
  await assertFits(page);
}

/**
 * Fails when the page can be scrolled sideways.
 * @param {Page} page
 */
export async function assertFits(page) {
  const [inner, outer] = await page.evaluate(() => {
    const root = document.documentElement;
    return [root.scrollWidth, root.clientWidth];
  });
  assert.ok(Number(inner) <= Number(outer), `the page is ${inner} px wide on a screen of ${outer} px`);
}

/**
 * A page at every size in both schemes: loaded anew each time, or as it is now when no `path` is given.
 * @param {Page} page
 * @param {string} [path]
 */
export async function assertUsableEverywhere(page, path) {
  for (const size of Object.values(sizes)) {
    await page.setViewportSize(size);
    for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
      await page.emulateMedia({ colorScheme });
      if (path) await page.goto(path);
      await assertUsable(page).catch((error) => {
        error.message = `${path ?? page.url()} at ${size.width} px, ${colorScheme}: ${error.message}`;
        throw error;
      });
    }
  }
}

/**
 * Counts the bytes of the live sockets a page opens from now on.
 * @param {Page} page
 */
export function countSocket(page) {
  const count = { received: 0, sent: 0, frames: 0, opened: 0 };
  page.on("websocket", (socket) => {
    count.opened += 1;
    socket.on("framereceived", ({ payload }) => {
      count.received += Buffer.byteLength(payload);
      count.frames += 1;
    });
    socket.on("framesent", ({ payload }) => {
      count.sent += Buffer.byteLength(payload);
    });
  });
  return count;
}

/**
 * Takes a picture when pictures are wanted.
 * @param {Page} page
 * @param {string} name e.g. `chat-wide-dark`
 */
export async function picture(page, name) {
  const folder = process.env["NEXUS_TEST_PICTURES"];
  if (!folder) return;
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`) });
}
