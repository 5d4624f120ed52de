// A conversation on a page, and the same conversation asked for over the API.
import { enter, launch, open } from "../lib/browser.js";
import { Agent, Model } from "../lib/agent.js";

/** An agent, a model and an owner's page. */
export async function stage() {
  const model = await Model.start();
  const agent = await Agent.start({ model });
  await agent.healthy();
  const browser = await launch();
  const { page, context } = await open(browser, { base: agent.base });
  await enter(page, agent);
  const cookie = (await context.cookies()).map(({ name, value }) => `${name}=${value}`).join("; ");

  /**
   * @param {string} path
   * @param {unknown} body
   */
  async function post(path, body) {
    const place = new URLSearchParams({ directory: agent.project });
    const answer = await fetch(`${agent.base}/api/opencode${path}?${place}`, {
      method: "POST",
      headers: { cookie, origin: agent.base, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return answer;
  }

  return {
    agent,
    browser,
    page,
    /** A new conversation, shown on the page and joined. */
    async begin() {
      const { id } = /** @type {{id: string}} */ (await (await post("/session", {})).json());
      await page.goto(`/chat/${id}?${new URLSearchParams({ directory: agent.project })}`);
      await page.waitForFunction(() => document.body.dataset["link"] === "up");
      return id;
    },
    /**
     * Sends a prompt and returns at once.
     * @param {string} id
     * @param {string} prompt
     */
    say: (id, prompt) => post(`/session/${id}/prompt_async`, { parts: [{ type: "text", text: prompt }] }),
    async end() {
      await browser.close();
      await agent.stop();
      await model.stop();
    },
  };
}

/**
 * The value in the middle, or at another share.
 * @param {number[]} figures
 * @param {number} [share]
 */
export function quantile(figures, share = 0.5) {
  const sorted = [...figures].sort((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}
