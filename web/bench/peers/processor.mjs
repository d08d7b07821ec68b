// Processor time, which says what was computed also where other programs share the machine.
import { existsSync, readdirSync, readFileSync } from "node:fs";

/** Milliseconds so far of this program and all processes below it, the browser's; 0 where there is no /proc. */
export function processorMs() {
  if (!existsSync("/proc/self/stat")) return 0;
  const stats = new Map();
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const text = readFileSync(`/proc/${pid}/stat`, "utf8");
      const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
      // Of proc(5): ppid, and utime with stime in hundredths of a second.
      stats.set(Number(pid), {
        parent: Number(fields[1]),
        ms: 10 * (Number(fields[11]) + Number(fields[12])),
      });
    } catch {
      // It ended meanwhile.
    }
  }
  const isOurs = (pid) => pid === process.pid || (stats.has(pid) && isOurs(stats.get(pid).parent));
  return [...stats].reduce((sum, [pid, { ms }]) => sum + (isOurs(pid) ? ms : 0), 0);
}
