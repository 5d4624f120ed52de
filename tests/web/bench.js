// What only a browser can tell of the budgets. Prints one line of JSON per figure; read by the bench program.
import { arrival } from "./bench/arrival.js";
import { responsiveness } from "./bench/tasks.js";
import { windows } from "./bench/window.js";

/** @typedef {{what: string, figure: number, unit: string, bar: number, beside: string, binding: boolean}} Figure */

/** @param {Figure[]} figures */
const tell = (figures) => figures.forEach((figure) => console.log(JSON.stringify(figure)));

let failed = false;
for (const measure of [arrival, responsiveness, windows]) {
  try {
    tell(await measure());
  } catch (error) {
    failed = true;
    console.error(`${measure.name}: ${error instanceof Error ? error.stack : error}`);
  }
}
process.exit(failed ? 1 : 0);
