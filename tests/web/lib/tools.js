// Where the programs and packages of the stories are.
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { createRequire } from "node:module";
import { join } from "node:path";

const here = new URL(".", import.meta.url);

/** The folders `installers/dev` may keep its things in, the likeliest first. */
const caches = [
  process.env["NEXUS_DEV_CACHE"],
  "/var/cache/opencode-nexus-dev",
  join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "opencode-nexus-dev"),
].filter((path) => path !== undefined);

/**
 * @param {string} what
 * @param {(string | undefined)[]} places
 */
function first(what, places) {
  const found = places.find((place) => place !== undefined && existsSync(place));
  if (found === undefined) throw new Error(`${what} is missing: run installers/dev setup`);
  return found;
}

/** The folder of the built programs, e.g. `target/debug`. */
const programs = first("the built program", [
  process.env["NEXUS_TEST_PROGRAMS"],
  new URL("../../../target/debug", here).pathname,
]);

export const nexus = first("nexus", [join(programs, "nexus")]);
export const fakeModel = first("fake-model", [join(programs, "fake-model")]);
export const fakeEdge = first("fake-edge", [join(programs, "fake-edge")]);
export const fakePush = first("fake-push", [join(programs, "fake-push")]);
/** Never a real one: that registers with Cloudflare alone, and these stories have visitors. */
export const fakeCloudflared = first("fake-cloudflared", [join(programs, "fake-cloudflared")]);
export const opencode = first("opencode", [
  process.env["NEXUS_TEST_OPENCODE"],
  ...caches.map((cache) => join(cache, "opencode-1.18.33/bin/opencode")),
]);
export const chromium = first("chromium", [process.env["NEXUS_TEST_CHROMIUM"], "/usr/bin/chromium"]);

const modules = first("the browser tools", [
  process.env["NEXUS_TEST_NODE"],
  ...caches.map((cache) => join(cache, "node")),
]);
const require = createRequire(join(modules, "package.json"));

/** @type {typeof import("playwright-core")} */
export const playwright = require("playwright-core");
/** Opens what was sealed for a browser. @type {{decrypt(sealed: Buffer, keys: object): Buffer}} */
export const httpEce = require("http_ece");
/** The accessibility checker as source text: it is evaluated in the page. */
export const axeSource = /** @type {string} */ (require("axe-core").source);
