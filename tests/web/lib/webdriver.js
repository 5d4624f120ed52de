// The few words of WebDriver a story needs, spoken to WebKitGTK's own driver.
import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { until } from "./agent.js";
import { end } from "./display.js";

/** A loopback port nobody has. @returns {Promise<number>} */
export const freePort = () =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address ? address.port : 0));
    });
  });

/** A driver attached to the first page of a running program. */
export class Driver {
  /**
   * @param {import("node:child_process").ChildProcess} child
   * @param {string} base
   */
  constructor(child, base) {
    this.child = child;
    this.base = base;
    this.session = "";
  }

  /**
   * Attaches to the program whose inspector listens on this port.
   * @param {number} inspector
   */
  static async attach(inspector) {
    const port = await freePort();
    const child = spawn("WebKitWebDriver", [`--port=${port}`, `--target=127.0.0.1:${inspector}`], { stdio: "ignore" });
    const driver = new Driver(child, `http://127.0.0.1:${port}`);
    driver.session = await until("the page to be there for the driver", async () => {
      const answer = await driver.ask("POST", "/session", { capabilities: {} }).catch(() => undefined);
      return /** @type {string | undefined} */ (answer?.sessionId);
    });
    return driver;
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {unknown} [body]
   * @returns {Promise<any>}
   */
  async ask(method, path, body) {
    const answer = await fetch(`${this.base}${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const { value } = /** @type {{value: any}} */ (await answer.json());
    if (!answer.ok) throw new Error(`${path}: ${JSON.stringify(value)}`);
    return value;
  }

  /**
   * What a piece of script returns in the page.
   * @param {string} script
   * @returns {Promise<any>}
   */
  run(script) {
    return this.ask("POST", `/session/${this.session}/execute/sync`, { script, args: [] });
  }

  /**
   * Types into an element, as keys.
   * @param {string} css
   * @param {string} text
   */
  async type(css, text) {
    const found = await this.ask("POST", `/session/${this.session}/element`, { using: "css selector", value: css });
    const [id] = Object.values(found);
    await this.ask("POST", `/session/${this.session}/element/${id}/value`, { text });
  }

  async close() {
    await this.ask("DELETE", `/session/${this.session}`).catch(() => undefined);
    await end(this.child);
  }
}
