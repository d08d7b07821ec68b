// How many bytes a page loads of the built package. As a program it prints them; the test in ../tests/built holds them to
// the limit.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";

const DIST = new URL("../dist/", import.meta.url);

/** What a page that runs models may load at most, in gzipped bytes. */
export const INFERENCE_LIMIT = 1_000_000;

/** What runs chat templates: loaded when a conversation begins. */
const CHAT = "wasm/looplm_chat_bg.wasm";

/**
 * What a page that runs models loads, and what it loads besides to hold a conversation, and to train: lists of
 * { file, bytes, gzipped }.
 */
export function sizes(dist = DIST) {
  const inference = reachedFrom(["index.js", "worker.js"], dist);
  const training = reachedFrom(["trainer/worker.js"], dist);
  const listed = (files) => files.map((file) => sizeOf(file, dist));
  return {
    inference: listed([...inference].filter((file) => file !== CHAT)),
    chat: listed([CHAT]),
    training: listed([...training].filter((file) => !inference.has(file))),
  };
}

/** The gzipped bytes of all files of a list. */
export function total(files) {
  return files.reduce((sum, { gzipped }) => sum + gzipped, 0);
}

/** A list as lines of text, the largest first, with its sum. */
export function table(title, files) {
  const line = ({ file, bytes, gzipped }) =>
    `${String(bytes).padStart(10)} ${String(gzipped).padStart(10)}  ${file}`;
  const sum = {
    file: "in all",
    bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
    gzipped: total(files),
  };
  const sorted = [...files].sort((a, b) => b.gzipped - a.gzipped);
  return [
    `${title}:`,
    `${"bytes".padStart(10)} ${"gzipped".padStart(10)}`,
    ...[...sorted, sum].map(line),
  ].join("\n");
}

/** The scripts with all that they import, and the wasm that these load. What is imported when asked for is not in it. */
function reachedFrom(entries, dist) {
  const found = new Set(entries);
  // A set gives what is added to it on the way, too.
  for (const file of found) {
    if (!file.endsWith(".js")) continue;
    const source = readFileSync(new URL(file, dist), "utf8");
    const imports = source.matchAll(/^(?:import|export)\b[^;"]*"(\.[^"]+)";/gm);
    const wasm = source.matchAll(/new URL\("(\.[^"]+\.wasm)", import\.meta\.url\)/g);
    for (const [, target] of [...imports, ...wasm]) {
      found.add(new URL(target, new URL(file, dist)).href.slice(dist.href.length));
    }
  }
  return found;
}

function sizeOf(file, dist) {
  const content = readFileSync(new URL(file, dist));
  return { file, bytes: content.length, gzipped: gzipSync(content, { level: 9 }).length };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const { inference, chat, training } = sizes();
  console.log(table(`To run models a page loads (at most ${INFERENCE_LIMIT} bytes gzipped)`, inference));
  console.log(table("To hold a conversation it loads besides", chat));
  console.log(table("To train it loads besides", training));
}
