// From opencode's event to the text on the page.
import { readFileSync } from "node:fs";
import { get } from "node:http";
import { until } from "../lib/agent.js";
import { quantile, stage } from "./conversation.js";

const words = 600;
const rate = 80;

/** When each word left opencode, read from it directly. @param {import("../lib/agent.js").Agent} agent */
async function listen(agent) {
  const { pid, port } = (await agent.status()).modules.opencode;
  const password = /OPENCODE_SERVER_PASSWORD=([^\0]*)/.exec(readFileSync(`/proc/${pid}/environ`, "utf8"))?.[1];
  /** @type {Map<number, number>} */
  const seen = new Map();
  const request = get({ port, path: "/global/event", auth: `opencode:${password}` }, (answer) => {
    answer.setEncoding("utf8");
    answer.on("data", (/** @type {string} */ text) => {
      const now = performance.timeOrigin + performance.now();
      for (const [, number] of text.matchAll(/"delta":" ?word(\d+)/g)) {
        if (!seen.has(Number(number))) seen.set(Number(number), now);
      }
    });
    answer.on("error", () => {});
  });
  request.on("error", () => {});
  return { seen, close: () => request.destroy() };
}

export async function arrival() {
  const { agent, page, begin, say, end } = await stage();
  try {
    const id = await begin();
    const source = await listen(agent);
    await page.evaluate(() => {
      /** @type {[number, number][]} */
      const seen = [];
      Object.assign(globalThis, { seen });
      let last = -1;
      const look = () => {
        const text = document.querySelector("main")?.textContent ?? "";
        const number = Math.max(-1, ...[...text.matchAll(/word(\d+)/g)].map((found) => Number(found[1])));
        if (number > last) {
          last = number;
          seen.push([number, performance.timeOrigin + performance.now()]);
        }
      };
      new MutationObserver(look).observe(document, { subtree: true, childList: true, characterData: true });
    });
    await say(id, `[[rate:${rate}]][[tokens:${words}]]`);
    const shown = await until("the whole answer on the page", async () => {
      const seen = await page.evaluate(() => /** @type {any} */ (globalThis).seen);
      return seen.at(-1)?.[0] >= words - 1 ? /** @type {[number, number][]} */ (seen) : undefined;
    });
    source.close();

    /** @type {number[]} */
    const late = [];
    for (const [number, left] of source.seen) {
      const arrived = shown.find(([upTo]) => upTo >= number);
      if (arrived) late.push(arrived[1] - left);
    }
    if (late.length < words / 2) throw new Error(`only ${late.length} words were seen leaving`);
    return [
      {
        what: "token to text on the page, p99",
        figure: quantile(late, 0.99),
        unit: "ms",
        bar: 110,
        beside: `p50 ${quantile(late).toFixed(0)} ms, ${late.length} tokens at ${rate}/s`,
        binding: false,
      },
    ];
  } finally {
    await end();
  }
}
