// What a measurement was taken on; `versions` by the names of programs.
import { execFileSync } from "node:child_process";
import { cpus, loadavg } from "node:os";
import { ROOT } from "./serve.mjs";

export function machine(versions) {
  const processors = cpus();
  return {
    date: new Date().toISOString(),
    commit: git("rev-parse", "HEAD"),
    changed: git("status", "--porcelain", "--untracked-files=no") !== "",
    ...versions,
    processor: processors[0]?.model,
    cores: processors.length,
    // More than the cores can do means that times, if not processor times, are not worth much.
    loadAverage: loadavg()[1],
  };
}

function git(...command) {
  try {
    return execFileSync("git", command, { cwd: ROOT, encoding: "utf8" }).trim();
  } catch {
    return null;
  }
}
