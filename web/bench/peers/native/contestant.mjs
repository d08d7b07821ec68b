// A contestant in a process of its own, asked over lines of JSON: crates/looplm/examples/answers.rs says which.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

/** Starts it and waits until it could be asked something. */
export async function start(command, args, { cwd, verbose }) {
  const child = spawn(command, args, { cwd, stdio: ["pipe", "pipe", verbose ? "inherit" : "pipe"] });
  // Of one that ended `ended` tells more.
  child.stdin.on("error", () => {});
  const said = [];
  child.stderr?.on("data", (text) => (said.push(text), said.splice(0, said.length - 20)));
  const ended = once(child, "close").then(([code]) => {
    throw new Error(`${command} ended (${code}): ${Buffer.concat(said).toString().trim()}`);
  });
  // Whoever waits for a line hears of the end.
  ended.catch(() => {});
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = () => Promise.race([hear(lines), ended]);

  const { loaded } = await next();
  return {
    ...loaded,
    async ask(ids, count, onFirst) {
      child.stdin.write(JSON.stringify({ ids, count }) + "\n");
      for (;;) {
        const { answer } = await next();
        if (answer) return answer;
        onFirst?.();
      }
    },
    async stop() {
      child.stdin.end();
      await ended.catch(() => {});
    },
  };
}

/** The next line that is JSON; libraries print others. */
async function hear(lines) {
  for (;;) {
    const { value, done } = await lines.next();
    // The end of the process, which says more, is about to come.
    if (done) return new Promise(() => {});
    if (value.startsWith("{")) return JSON.parse(value);
  }
}
