// Reads what cargo said of a build and lists the tests it made: name, folder of the package, executable.
import { readFileSync } from "node:fs";
import { dirname } from "node:path";

for (const line of readFileSync(process.argv[2], "utf8").split("\n")) {
  const made = line && JSON.parse(line);
  if (made?.reason !== "compiler-artifact" || !made.profile.test || !made.executable) continue;
  const name = made.target.name === "it" ? "it" : `${made.target.name}:${made.target.kind[0]}`;
  console.log([name, dirname(made.manifest_path), made.executable].join("\t"));
}
