// What the programs of this folder have in common.
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { machine } from "./machine.mjs";
import { ROOT } from "./serve.mjs";

/** Ends the program unless there is `path`, and says what makes it. */
export function need(path, command) {
  if (!existsSync(join(ROOT, path))) stop(`there is no ${path}: ${command}`);
}

export function stop(message) {
  console.error(message);
  process.exit(1);
}

/** Writes what was measured, and on what. */
export function record(file, versions, results) {
  const all = { command: process.argv.slice(2), machine: machine(versions), results };
  writeFileSync(file, JSON.stringify(all, null, 1) + "\n");
}
