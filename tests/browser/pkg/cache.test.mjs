// The cache of models in a real browser: what a second load asks of the server, what is left of a load that was broken off,
// and what comes of servers and disks that do wrong. What a model is, its logits say.
import assert from "node:assert/strict";
import { after, beforeEach, describe, test } from "node:test";
import { launchFirefox } from "../firefox.mjs";
import { FIREFOX, thrownBy, usePage } from "./browser.mjs";
import { serveModel } from "./model-server.mjs";
import { bytesFile, syntheticModel } from "./synthetic-model.mjs";

/** Six pieces. */
const SHAPE = { vocab: 16384, hidden: 512, intermediate: 1536, layers: 2, heads: 8 };
const PIECE = 8 * 1024 * 1024;

const tab = usePage();
const model = syntheticModel(SHAPE);
const other = syntheticModel({ ...SHAPE, seed: 2 });
const pieces = Math.ceil(model["model.safetensors"].size / PIECE);
let server;
/** Tabs of one browser, which share their storage. */
let context;
let page;
/** The logits' hash of each version in each format, loaded without a cache. */
const right = {};

async function setUp() {
  server = await serveModel(model);
  context = await tab.newContext();
  page = await newTab();
  for (const format of ["stored", "q4"]) right[format] = (await load({ format, cache: false })).logits;
  server.files = other;
  right.other = (await load({ format: "q4", cache: false })).logits;
  assert.equal(new Set(Object.values(right)).size, 3);
}

after(() => server?.close());

async function newTab() {
  const opened = await context.newPage();
  await opened.goto(`${tab.origin}/`);
  return opened;
}

let ready;
beforeEach(async () => {
  // Not in a hook of its own: those of a file begin at once, and the page is not there yet.
  await (ready ??= setUp());
  const honest = { version: 1, ranges: true, moved: false, gzip: () => false, lie: undefined };
  Object.assign(server, { files: model, ...honest });
  await evictAll();
  server.requests.length = 0;
  server.redirected.length = 0;
});

function evictAll() {
  return page.evaluate(async () => {
    const { LoopLM } = await import("/looplm/index.js");
    await LoopLM.evict();
  });
}

/**
 * Loads in a page; what came out. `abortAt`: fires the signal when a download has come to this part. With few rows there is
 * less to compile, which is most of the time that a load takes here.
 */
function load(options = {}, inTab = page) {
  return inTab.evaluate(loadInPage, [server.url, { format: "q4", maxRows: 4, ...options }]);
}

async function loadInPage([url, { abortAt, ...options }]) {
  const { LoopLM } = await import("/looplm/index.js");
  const abort = new AbortController();
  const progress = [];
  const model = await LoopLM.load(url, {
    ...options,
    signal: abort.signal,
    onProgress: (report) => {
      progress.push(report);
      if (report.phase === "download" && report.loaded > 0 && report.loaded / report.total >= abortAt)
        abort.abort();
    },
  });
  const { logits } = await model.forward([1, 2, 3, 500], { logits: true });
  await model.dispose();
  const digest = await crypto.subtle.digest("SHA-256", logits);
  const hash = Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
  return { logits: hash, warnings: model.info.warnings, progress };
}

function cached() {
  return page.evaluate(async () => {
    const { LoopLM } = await import("/looplm/index.js");
    return LoopLM.cached();
  });
}

/** Ranges of weights asked for since the last call, those of the header left out. */
function fetched() {
  const requests = server.requests.splice(0);
  return requests.filter(
    ({ path, range }) => path === "model.safetensors" && range !== undefined && range[0] > 1,
  );
}

/** The files of which a load asks whether they are still the same, there or not. */
const LOOKED_AT = [
  "README.md",
  "chat_template.jinja",
  "config.json",
  "generation_config.json",
  "model.safetensors",
  "special_tokens_map.json",
  "tokenizer.json",
  "tokenizer_config.json",
];

const isWeights = ({ path, range }) => path === "model.safetensors" && range?.[0] > 1;

for (const format of ["stored", "q4"]) {
  test(`${format}: the first load fetches everything once, the second asks for a byte of each file`, async () => {
    const first = await load({ format });
    assert.equal(first.logits, right[format]);
    assert.deepEqual(first.warnings, []);
    assert.equal(fetched().length, pieces);

    const second = await load({ format });
    assert.equal(second.logits, right[format]);
    assert.deepEqual(server.requests.map(({ path }) => path).sort(), LOOKED_AT);
    assert.ok(server.requests.every(({ range }) => range.join() === "0,0"));
    assert.ok(second.progress.every(({ phase }) => phase !== "download"));
  });
}

test("progress tells bytes, speed and time left", async () => {
  server.lie = () => new Promise((resolve) => setTimeout(resolve, 150));
  const { progress } = await load();
  const download = progress.filter(({ phase }) => phase === "download");
  const total = download.at(-1).total;
  assert.ok(total > (pieces - 1) * PIECE && total < model["model.safetensors"].size);
  assert.equal(download.at(-1).loaded, total);
  assert.ok(download.every(({ loaded }, i) => loaded >= (download[i - 1]?.loaded ?? 0) && loaded <= total));
  assert.ok(download.some(({ bytesPerSecond, secondsLeft }) => bytesPerSecond > 1e5 && secondsLeft > 0));
  const phases = [...new Set(progress.map(({ phase }) => phase))];
  assert.equal(phases[0], "download");
  for (const phase of ["weights", "compile"]) assert.ok(phases.includes(phase), phase);
  assert.equal(phases.at(-1), "ready");
});

test("in the page as in a Worker", async () => {
  assert.equal((await load({ worker: false })).logits, right.q4);
  assert.equal(fetched().length, pieces);
  assert.equal((await load({ worker: false })).logits, right.q4);
  assert.equal(fetched().length, 0);
});

test("models are listed, and evicted", async () => {
  await load({ format: "q4" });
  await load({ format: "stored" });
  const models = await cached();
  assert.deepEqual(
    models.map(({ source, format, complete, progress }) => ({ source, format, complete, progress })),
    ["stored", "q4"].map((format) => ({ source: server.url, format, complete: true, progress: 1 })),
  );
  const [stored, q4] = models;
  assert.ok(stored.bytes >= model["model.safetensors"].size);
  assert.ok(q4.bytes < stored.bytes / 2, `${q4.bytes} of ${stored.bytes}`);
  assert.ok(q4.lastUsed >= q4.created);
  const freed = await page.evaluate(async (url) => {
    const { LoopLM } = await import("/looplm/index.js");
    return LoopLM.evict(url, { format: "q4" });
  }, server.url);
  assert.equal(freed, q4.bytes);
  assert.deepEqual(
    (await cached()).map(({ format }) => format),
    ["stored"],
  );
});

describe("broken off", () => {
  test("by a signal: the next load goes on from there", async () => {
    const error = await thrownBy(page, loadInPage, [server.url, { format: "q4", abortAt: 0.75 }]);
    assert.equal(error.code, "aborted");
    fetched();
    const [entry] = await cached();
    assert.ok(!entry.complete && entry.progress > 0.2 && entry.progress < 1, String(entry.progress));
    assert.equal((await load()).logits, right.q4);
    // What was being written when the signal fired may have come in yet.
    assert.ok(fetched().length <= Math.round((1 - entry.progress) * pieces));
  });

  test("by closing the tab: the next load goes on from there", async () => {
    const second = await newTab();
    let asked = 0;
    let held;
    const reached = new Promise((resolve) => (held = resolve));
    server.lie = (_, request) => {
      if (!isWeights(request) || ++asked < 5) return undefined;
      held();
      return new Promise((resolve) => setTimeout(resolve, 60_000).unref());
    };
    const loading = load({}, second).catch(() => undefined);
    await reached;
    await second.close();
    await loading;
    server.lie = undefined;
    fetched();
    const [entry] = await cached();
    assert.ok(!entry.complete && entry.progress > 0.2, String(entry.progress));
    assert.equal((await load()).logits, right.q4);
    const again = fetched().length;
    assert.ok(again <= pieces - 2 && again > 0, `${again} of ${pieces} fetched again`);
  });

  test("by a connection that is lost for good", async () => {
    let asked = 0;
    server.lie = (answer, request) => {
      if (isWeights(request) && ++asked > 4) answer.breakAfter = 1000;
    };
    const error = await thrownBy(page, loadInPage, [server.url, { format: "q4" }]);
    assert.equal(error.code, "network");
    assert.match(error.message, /connection lost after \d+ of \d+ bytes/);
    server.lie = undefined;
    fetched();
    assert.equal((await load()).logits, right.q4);
    assert.ok(fetched().length <= pieces - 2);
  });
});

describe("two tabs", () => {
  test("one fetches, the other waits and reads", async () => {
    const second = await newTab();
    server.lie = () => new Promise((resolve) => setTimeout(resolve, 300));
    const loaded = await Promise.all([load(), load({}, second)]);
    await second.close();
    for (const { logits } of loaded) assert.equal(logits, right.q4);
    assert.equal(fetched().length, pieces);
  });

  test("nothing is evicted while it is fetched", async () => {
    const second = await newTab();
    let goOn;
    const gate = new Promise((resolve) => (goOn = resolve));
    let asked = 0;
    let held;
    const reached = new Promise((resolve) => (held = resolve));
    server.lie = (_, request) => {
      if (!isWeights(request) || ++asked < 5) return undefined;
      held();
      return gate;
    };
    const loading = load({}, second);
    await reached;
    const error = await thrownBy(page, async () => {
      const { LoopLM } = await import("/looplm/index.js");
      return LoopLM.evict();
    });
    assert.equal(error.code, "busy");
    goOn();
    assert.equal((await loading).logits, right.q4);
    await second.close();
  });
});

/** Changes the files of kept pieces whose number is given. */
function damage(numbers) {
  return page.evaluate(async (numbers) => {
    const models = await (await navigator.storage.getDirectory()).getDirectoryHandle("looplm-models");
    let damaged = 0;
    for await (const entry of models.values()) {
      const pieces = await entry.getDirectoryHandle("pieces").catch(() => undefined);
      for await (const file of pieces?.values() ?? []) {
        if (!numbers.includes(parseInt(file.name))) continue;
        const bytes = new Uint8Array(await (await file.getFile()).arrayBuffer());
        bytes[1234] ^= 4;
        const writable = await file.createWritable();
        await writable.write(bytes);
        await writable.close();
        damaged++;
      }
    }
    return damaged;
  }, numbers);
}

test("what is damaged is found, and only that is fetched again", async () => {
  await load();
  fetched();
  assert.equal(await damage([2, 5]), 2);
  assert.equal((await load()).logits, right.q4);
  assert.equal(fetched().length, 2);
});

test("another version on the server takes the place of the one that is kept", async () => {
  await load();
  Object.assign(server, { files: other, version: 2 });
  assert.equal((await load()).logits, right.other);
  assert.equal((await cached()).length, 1);
});

test("a small file that has come since is fetched, and nothing else", async () => {
  await load();
  const [{ created }] = await cached();
  server.requests.length = 0;
  server.files = { ...model, "README.md": bytesFile(Buffer.from("A model.")) };
  assert.equal((await load()).logits, right.q4);
  const got = server.requests.splice(0).filter(({ range }) => range?.[1] !== 0);
  assert.deepEqual(got, [{ path: "README.md", range: undefined }]);
  assert.equal((await load()).logits, right.q4);
  assert.ok(server.requests.every(({ range }) => range.join() === "0,0"));
  const [entry] = await cached();
  assert.ok(entry.complete);
  assert.deepEqual(entry.created, created);
});

test("without the server, what is kept is loaded", async () => {
  await load();
  server.lie = (answer) => void (answer.breakAfter = 0);
  assert.equal((await load()).logits, right.q4);
});

describe("a server that does wrong", () => {
  const LIES = {
    "short bodies": (answer) => {
      answer.body = answer.body.subarray(0, -5);
      answer.headers["content-length"] = answer.body.length;
    },
    "longer bodies": (answer) => {
      answer.body = Buffer.concat([answer.body, Buffer.from("more")]);
      answer.headers["content-length"] = answer.body.length;
    },
    "a wrong length": (answer) => void (answer.headers["content-length"] += 5),
    "another range": (answer, { range: [first, last] }) => {
      const file = server.files["model.safetensors"];
      answer.headers["content-range"] = `bytes ${first - 8}-${last - 8}/${file.size}`;
      answer.body = file.read(first - 8, first - 8 + answer.body.length);
    },
    "the whole file": (answer) => {
      const file = server.files["model.safetensors"];
      answer.status = 200;
      answer.body = file.read(0, file.size);
      answer.headers["content-length"] = file.size;
      delete answer.headers["content-range"];
    },
    "no word of which range": (answer) => void delete answer.headers["content-range"],
    "a broken connection": (answer) => void (answer.breakAfter = Math.floor(answer.body.length / 2)),
    "no connection": (answer) => void (answer.breakAfter = 0),
    "HTTP 503": (answer) => void (answer.status = 503),
  };
  test("answers about weights that are wrong at first, each in another way: no wrong weight", async () => {
    const lies = Object.values(LIES);
    const lied = new Set();
    server.lie = (answer, request) => {
      const key = String(request.range);
      if (lies.length === 0 || !isWeights(request) || lied.has(key)) return;
      lied.add(key);
      lies.shift()(answer, request);
    };
    while (lies.length > 0) {
      lied.clear();
      await evictAll();
      assert.equal((await load()).logits, right.q4);
    }
    assert.equal((await load()).logits, right.q4);
  });

  test("another version in the middle: all of the new one", async () => {
    let asked = 0;
    server.lie = (_, request) => {
      if (isWeights(request) && ++asked === 4) Object.assign(server, { files: other, version: 2 });
    };
    assert.equal((await load()).logits, right.other);
  });

  test("no ranges at all: cut out of the file as it comes", async () => {
    server.ranges = false;
    assert.equal((await load()).logits, right.q4);
    server.requests.length = 0;
    assert.equal((await load()).logits, right.q4);
    assert.equal(server.requests.length, LOOKED_AT.length);
  });

  test("another address for every file: followed, with ranges and without the cache", async () => {
    server.moved = true;
    assert.equal((await load()).logits, right.q4);
    assert.equal(fetched().length, pieces);
    const asked = server.redirected.splice(0);
    assert.ok(asked.some(({ path, range }) => path === "config.json" && range === undefined));
    assert.equal(asked.filter(isWeights).length, pieces);
    assert.equal((await load()).logits, right.q4);
    assert.equal(fetched().length, 0);
    assert.equal((await load({ cache: false })).logits, right.q4);
  });

  test("whole files compressed, ranges not: loaded, and found to be the same the next time", async () => {
    server.gzip = () => true;
    assert.equal((await load()).logits, right.q4);
    server.requests.length = 0;
    assert.equal((await load()).logits, right.q4);
    assert.equal(server.requests.length, LOOKED_AT.length);
    assert.equal((await load({ cache: false })).logits, right.q4);
  });

  test("a small file cut short, without its length: fetched again", async () => {
    let cut = 0;
    const card = Buffer.from("A model card that is longer than what comes of it at first.");
    server.files = { ...model, "README.md": bytesFile(card) };
    server.lie = (answer, { path, range }) => {
      if (path !== "README.md" || range !== undefined || cut++ > 0) return;
      delete answer.headers["content-length"];
      answer.breakAfter = 10;
    };
    assert.equal((await load()).logits, right.q4);
    assert.equal(cut, 2);
    assert.ok((await cached())[0].complete);
  });

  test("a connection that breaks without the cache: gone on from there", async () => {
    let broken = 0;
    server.lie = (answer, { path, range }) => {
      if (path !== "model.safetensors" || range !== undefined || broken++ > 0) return;
      // So little, and so late, that the page has read it by then.
      Object.assign(answer, { breakAfter: 300_000, breakDelay: 2000 });
    };
    assert.equal((await load({ cache: false })).logits, right.q4);
    const weights = server.requests.filter(({ path }) => path === "model.safetensors");
    assert.equal(weights.length, 2);
    const [first, last] = weights[1].range;
    assert.ok(first > 0 && first <= 300_000, String(first));
    assert.equal(last, model["model.safetensors"].size - 1);
  });

  test("neither tag nor date: loaded without the cache, and says so", async () => {
    server.lie = (answer) => void delete answer.headers.etag;
    const { logits, warnings } = await load();
    assert.equal(logits, right.q4);
    assert.equal(warnings.length, 1);
    assert.match(warnings[0], /without the cache.*versions/);
    assert.deepEqual(await cached(), []);
  });
});

test("no room: loaded without the cache, and says so", async () => {
  const { room, end } = await (FIREFOX ? firefoxWithoutRoom() : chromiumWithoutRoom());
  try {
    const { logits, warnings } = await load({}, room);
    assert.equal(logits, right.q4);
    assert.match(warnings.join(), /without the cache.*this browser gives/);
  } finally {
    await end();
  }
  assert.equal((await load()).logits, right.q4);
  assert.equal((await cached()).length, 1);
});

async function chromiumWithoutRoom() {
  const session = await context.newCDPSession(page);
  const quota = (quotaSize) =>
    session.send("Storage.overrideQuotaForOrigin", {
      origin: tab.origin,
      ...(quotaSize ? { quotaSize } : {}),
    });
  await quota(1024 * 1024);
  return { room: page, end: quota };
}

async function firefoxWithoutRoom() {
  const browser = await launchFirefox({ storageKiB: 1024 });
  const room = await browser.newPage();
  await room.goto(`${tab.origin}/`);
  return { room, end: () => browser.close() };
}
