// What a page and its Workers hold over what they held when this began, by the means that each browser has.
import { readdirSync, readFileSync } from "node:fs";
import { heapOfWorkers } from "./worker-heap.mjs";

/** Bytes of JavaScript's heaps and buffers, collected or not, which Chromium tells; of wasm's memory `wasm()` tells, at the end. */
export async function memoryInChromium(context, page) {
  const session = await context.newCDPSession(page);
  const idle = bytesOf(await session.send("Runtime.getHeapUsage"));
  const inWorkers = await heapOfWorkers(session);
  return {
    async bytes() {
      const ofPage = bytesOf(await session.send("Runtime.getHeapUsage"));
      return ofPage - idle + (await inWorkers()).map(bytesOf).reduce((a, b) => a + b, 0);
    },
    wasm: () => page.workers()[0].evaluate(wasmMemory),
  };
}

/**
 * Firefox tells nothing: it is the memory of the page's process that is not shared, wasm's and whatever the browser itself needs for
 * the page among it. Which process it is shows in that it grows the most. Linux only.
 */
export function memoryInFirefox(browser) {
  const idle = new Map(processesBelow(browser.process().pid).map((pid) => [pid, anonymousBytes(pid)]));
  return {
    bytes: () => Math.max(...[...idle].map(([pid, before]) => anonymousBytes(pid) - before)),
    wasm: () => 0,
  };
}

function bytesOf({ usedSize, embedderHeapUsedSize, backingStorageSize }) {
  return usedSize + embedderHeapUsedSize + backingStorageSize;
}

/** In the Worker: the memory of its module, which only grows. Started already, it gives what is there. */
async function wasmMemory() {
  const { memory } = await (await import("/looplm/wasm/looplm.js")).default();
  return memory.buffer.byteLength;
}

/** The tabs' processes of a browser, which are its grandchildren. */
function processesBelow(browser) {
  const isBelow = (pid) => {
    const [, parent] = /^PPid:\s+(\d+)/m.exec(read(`/proc/${pid}/status`)) ?? [];
    return parent !== undefined && (Number(parent) === browser || isBelow(parent));
  };
  const isTab = (pid) => /\btab\0*$/.test(read(`/proc/${pid}/cmdline`));
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name) && isTab(name) && isBelow(name));
}

function anonymousBytes(pid) {
  const [, kilobytes] = /^Pss_Anon:\s+(\d+)/m.exec(read(`/proc/${pid}/smaps_rollup`)) ?? [];
  return 1024 * Number(kilobytes ?? 0);
}

/** The text of a file that may be gone by now. */
function read(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
