// How long the page's main thread is busy at a time while an answer streams, beside an empty page.
import { until } from "../lib/agent.js";
import { quantile, stage } from "./conversation.js";

const runs = 5;
const prompt = "[[rate:300]][[markdown:1500]]";

/**
 * Durations in ms of the main thread's tasks while something happens.
 * @param {import("playwright-core").Browser} browser
 * @param {import("playwright-core").Page} page
 * @param {() => Promise<void>} happens
 */
async function tasks(browser, page, happens) {
  await browser.startTracing(page, { categories: ["disabled-by-default-devtools.timeline", "devtools.timeline"] });
  await happens();
  /** @type {{traceEvents: {name: string, pid: number, tid: number, dur?: number, args?: any}[]}} */
  const { traceEvents } = JSON.parse((await browser.stopTracing()).toString("utf8"));
  const main = new Set(
    traceEvents
      .filter(({ name, args }) => name === "thread_name" && args?.name === "CrRendererMain")
      .map(({ pid, tid }) => `${pid}:${tid}`),
  );
  return traceEvents
    .filter(({ name, pid, tid, dur }) => name === "RunTask" && dur !== undefined && main.has(`${pid}:${tid}`))
    .map(({ dur }) => (dur ?? 0) / 1000);
}

/** @param {number} ms */
const pass = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export async function responsiveness() {
  const { browser, page, begin, say, end } = await stage();
  try {
    /** @type {{p99: number, worst: number, emptyWorst: number}[]} */
    const found = [];
    for (let run = 0; run < runs; run += 1) {
      const id = await begin();
      const began = Date.now();
      const busy = await tasks(browser, page, async () => {
        await say(id, prompt);
        let last = 0;
        let still = 0;
        await until("the answer to end", async () => {
          await pass(200);
          const length = await page.evaluate(() => document.querySelector("main")?.textContent?.length ?? 0);
          still = length === last ? still + 1 : 0;
          last = length;
          return still >= 5 && length > 2000;
        });
      });
      const empty = await browser.newPage();
      const idle = await tasks(browser, empty, async () => {
        await pass(Date.now() - began);
      });
      await empty.close();
      found.push({ p99: quantile(busy, 0.99), worst: Math.max(...busy), emptyWorst: Math.max(0, ...idle) });
    }
    const beside = `empty page: worst ${quantile(found.map(({ emptyWorst }) => emptyWorst)).toFixed(0)} ms`;
    return [
      { what: "page tasks while streaming, p99", figure: quantile(found.map(({ p99 }) => p99)), unit: "ms", bar: 50, beside, binding: false },
      { what: "page tasks while streaming, worst", figure: quantile(found.map(({ worst }) => worst)), unit: "ms", bar: 150, beside, binding: false },
    ];
  } finally {
    await end();
  }
}
