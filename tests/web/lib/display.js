// A display without a screen.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

/**
 * An X server and a window manager; `env` leads to them.
 * @param {string} [size]
 */
export async function display(size = "1280x900") {
  const server = spawn("Xvfb", ["-displayfd", "1", "-screen", "0", `${size}x24`, "-nolisten", "tcp", "-noreset"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const number = await new Promise((resolve, reject) => {
    server.once("error", reject);
    createInterface({ input: server.stdout }).once("line", resolve);
  });
  const env = { DISPLAY: `:${number}`, GDK_BACKEND: "x11", LIBGL_ALWAYS_SOFTWARE: "1", NO_AT_BRIDGE: "1" };
  const manager = spawn("openbox", ["--sm-disable"], { env: { ...process.env, ...env }, stdio: "ignore" });
  return {
    env,
    async end() {
      await end(manager);
      await end(server);
    },
  };
}

/**
 * Ends a program and waits until it has.
 * @param {import("node:child_process").ChildProcess} child
 */
export async function end(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill();
  await ended;
}
