// Loading a model in a real browser: addresses, Files, and what can go wrong with either.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { sizes } from "../../../pkg/scripts/sizes.mjs";
import { FIREFOX, thrownBy, usePage } from "./browser.mjs";
import { serve } from "./server.mjs";

const FIXTURES = fileURLToPath(new URL("../../fixtures/", import.meta.url));

const tab = usePage();

/** Loads in the page and lets go again; what the page saw. */
function loadAndDispose([url, options]) {
  return (async () => {
    const { LoopLM } = await import("/looplm/index.js");
    // What only longer prompts need is not compiled, each time.
    const model = await LoopLM.load(url, { maxRows: 16, ...options });
    const { info } = model;
    await model.dispose();
    return info;
  })();
}

test("the generated module has what src/wasm/looplm.d.ts says", async () => {
  const methods = await tab.page.evaluate(async () => {
    const wasm = await import("/looplm/wasm/looplm.js");
    return {
      init: typeof wasm.default,
      load: typeof wasm.Model.load,
      model: Object.getOwnPropertyNames(wasm.Model.prototype),
      generation: Object.getOwnPropertyNames(wasm.Generation.prototype),
      plan: typeof wasm.Conversion.plan,
      conversion: Object.getOwnPropertyNames(wasm.Conversion.prototype),
      trainer: typeof wasm.Trainer,
    };
  });
  for (const name of ["init", "load", "plan"]) assert.equal(methods[name], "function", name);
  for (const name of [
    "info",
    "tokenize",
    "detokenize",
    "tokenText",
    "chatSource",
    "generate",
    "forward",
    "lost",
    "dispose",
  ]) {
    assert.ok(methods.model.includes(name), `Model.${name}`);
  }
  for (const name of ["next", "finish", "close"])
    assert.ok(methods.generation.includes(name), `Generation.${name}`);
  for (const name of ["describe", "head", "convert", "free"])
    assert.ok(methods.conversion.includes(name), `Conversion.${name}`);
  assert.equal(methods.trainer, "undefined", "training is in a module of its own");
});

describe("what a page loads is what the package's size is counted of", () => {
  /** Runs in a page of its own, since this one's modules were loaded by other tests; the package's files it asked for. */
  async function loadedBy(run) {
    const before = tab.asked.length;
    const context = await tab.newContext();
    const page = await context.newPage();
    await page.goto(`${tab.origin}/`);
    const outcome = await page.evaluate(run);
    await context.close();
    const asked = tab.asked.slice(before).filter((path) => path.startsWith("/looplm/"));
    return { outcome, files: [...new Set(asked.map((path) => path.slice("/looplm/".length)))].sort() };
  }
  const counted = (...lists) =>
    lists
      .flat()
      .map(({ file }) => file)
      .sort();

  test("to run a model", async () => {
    const { outcome, files } = await loadedBy(async () => {
      const { LoopLM } = await import("/looplm/index.js");
      const model = await LoopLM.load("/models/shell-game/", { cache: false });
      const ids = [];
      for await (const { id } of model.generate("swap12 left", { maxNewTokens: 2, trace: { topK: 2 } }))
        ids.push(id);
      await model.dispose();
      return ids.length;
    });
    assert.equal(outcome, 2);
    assert.deepEqual(files, counted(sizes().inference));
  });

  test("to hold a conversation", async () => {
    const { outcome, files } = await loadedBy(async () => {
      const { LoopLM } = await import("/looplm/index.js");
      const files = await Promise.all(
        ["config.json", "model.safetensors", "tokenizer.json"].map(
          async (file) => new File([await (await fetch(`/models/shell-game/${file}`)).blob()], file),
        ),
      );
      const template = "{% for message in messages %}{{ message.content | trim }} {% endfor %}";
      const model = await LoopLM.load([...files, new File([template], "chat_template.jinja")]);
      const prompt = await model.chatPrompt([
        { role: "user", content: " swap12" },
        { role: "user", content: "left " },
      ]);
      await model.dispose();
      return prompt;
    });
    assert.equal(outcome, "swap12 left ");
    const { inference, chat } = sizes();
    assert.deepEqual(files, counted(inference, chat));
  });
});

describe("from an address", () => {
  test("with and without a slash, in a Worker and in the page: what the model is", async () => {
    for (const [url, worker] of [
      ["/fixtures/f32-gqa-head-dim/model", true],
      ["/fixtures/f32-gqa-head-dim/model/", false],
    ]) {
      const info = await tab.page.evaluate(loadAndDispose, [url, { worker }]);
      const { architecture } = info;
      assert.equal(architecture.vocabSize, 51);
      assert.equal(architecture.hiddenSize, 20);
      assert.equal(architecture.steps, 3);
      assert.equal(info.tokenizer, null);
      assert.equal(info.task, null);
      assert.ok(
        info.memory.weights > 0 && info.memory.kvPer1000Tokens.full > info.memory.kvPer1000Tokens.shared,
      );
      assert.equal(info.adapter.tier, await tab.page.evaluate(bestTier));
    }
  });

  test("adapters are asked for past wgpu, and what the page has put in the place of that stays", async () => {
    const { asked, kept, left } = await tab.page.evaluate(async (url) => {
      const { LoopLM } = await import("/looplm/index.js");
      let asked = 0;
      const own = (...options) => {
        asked++;
        return GPU.prototype.requestAdapter.apply(navigator.gpu, options);
      };
      Object.defineProperty(navigator.gpu, "requestAdapter", { value: own, configurable: true });
      await (await LoopLM.load(url, { worker: false })).dispose();
      const kept = navigator.gpu.requestAdapter === own;
      delete navigator.gpu.requestAdapter;
      await (await LoopLM.load(url, { worker: false })).dispose();
      return { asked, kept, left: Object.getOwnPropertyNames(navigator.gpu) };
    }, "/fixtures/f32-gqa-head-dim/model/");
    assert.ok(asked > 0 && kept);
    assert.deepEqual(left, []);
  });

  test("without subgroups the shaders do without", async () => {
    const answers = await tab.page.evaluate(async (url) => {
      const { LoopLM } = await import("/looplm/index.js");
      const features = Object.getOwnPropertyDescriptor(GPUAdapter.prototype, "features");
      Object.defineProperty(GPUAdapter.prototype, "features", {
        ...features,
        get() {
          return new Set([...features.get.call(this)].filter((name) => name !== "subgroups"));
        },
      });
      const answers = [];
      for (const hidden of [true, false]) {
        if (!hidden) Object.defineProperty(GPUAdapter.prototype, "features", features);
        const model = await LoopLM.load(url, { worker: false });
        const ids = [];
        const options = { maxNewTokens: 4, temperature: 0 };
        for await (const token of model.generate(Uint32Array.of(1, 2, 3), options)) ids.push(token.id);
        answers.push({ tier: model.info.adapter.tier, ids });
        await model.dispose();
      }
      return answers;
    }, "/fixtures/f32-gqa-head-dim/model/");
    assert.equal(answers[0].tier, "baseline");
    assert.ok(answers[0].ids.length > 0);
    assert.deepEqual(answers[0].ids, answers[1].ids);
  });

  test("the shipped model says its task and has a tokenizer", async () => {
    const info = await tab.page.evaluate(loadAndDispose, ["/models/shell-game/", {}]);
    assert.equal(info.task.kind, "track-the-shuffle");
    assert.equal(info.tokenizer.vocabSize, info.architecture.vocabSize);
    assert.equal(info.tokenizer.chatTemplate, false);
  });

  test("the context is as long as asked for, and no longer than the model's", async () => {
    for (const [contextLength, expected] of [
      [24, 24],
      [1_000_000, 256],
    ]) {
      const info = await tab.page.evaluate(loadAndDispose, ["/fixtures/f32-mha/model", { contextLength }]);
      assert.equal(info.contextLength, expected);
    }
  });

  test("an adapter that is too small is an error with the numbers", async () => {
    for (const [maxBindingSize, worker] of [
      [1024, true],
      [64, true],
      [64, false],
    ]) {
      const error = await thrownBy(tab.page, loadAndDispose, [
        "/fixtures/f32-mha/model",
        { maxBindingSize, worker },
      ]);
      assert.equal(error.code, "adapter-too-small");
      assert.equal(error.name, "AdapterTooSmallError");
      assert.equal(error.details.limit, "maxStorageBufferBindingSize");
      assert.equal(error.details.offered, maxBindingSize);
      assert.ok(error.details.needed > maxBindingSize);
    }
  });

  test("progress goes through the stages, and through all bytes of the weights", async () => {
    const seen = await tab.page.evaluate(async () => {
      const { LoopLM } = await import("/looplm/index.js");
      const seen = [];
      const model = await LoopLM.load("/models/shell-game/", {
        cache: false,
        onProgress: (progress) => seen.push(progress),
      });
      await model.dispose();
      return seen;
    });
    const order = ["adapter", "config", "tokenizer", "weights", "compile", "ready"];
    const phases = [...new Set(seen.map(({ phase }) => phase))];
    assert.deepEqual([...phases].sort(), [...order].sort());
    assert.equal(phases.at(-1), "ready");
    const weights = seen.filter(({ phase }) => phase === "weights");
    assert.ok(
      weights.every(({ loaded, total }, i) => loaded >= (weights[i - 1]?.loaded ?? 0) && loaded <= total),
    );
    assert.equal(weights.at(-1).loaded, weights.at(-1).total);
    assert.ok(weights.at(-1).total > 50_000);
  });
});

describe("from Files", { skip: FIREFOX && "its protocol chooses no folders" }, () => {
  async function choose(folder) {
    await tab.page.setContent('<input type="file" webkitdirectory>');
    await tab.page.locator("input").setInputFiles(folder);
  }

  for (const [what, folder] of [
    ["a chosen folder", `${FIXTURES}f32-sharded/model`],
    ["the folder above it", `${FIXTURES}f32-sharded`],
  ]) {
    test(`${what}, shards and all`, async () => {
      await choose(folder);
      const vocabSize = await tab.page.evaluate(async () => {
        const { LoopLM } = await import("/looplm/index.js");
        const model = await LoopLM.load(document.querySelector("input").files);
        await model.forward([1, 2, 3]);
        await model.dispose();
        return model.info.architecture.vocabSize;
      });
      assert.equal(vocabSize, 48);
    });
  }

  test("a folder without a model", async () => {
    await choose(fileURLToPath(new URL("in-page", import.meta.url)));
    const error = await thrownBy(tab.page, async () => {
      const { LoopLM } = await import("/looplm/index.js");
      await LoopLM.load([...document.querySelector("input").files]);
    });
    assert.equal(error.code, "checkpoint-invalid");
    assert.match(error.message, /config\.json/);
  });

  test("a file that ends too early", async () => {
    await choose(`${FIXTURES}f32-mha/model`);
    const error = await thrownBy(tab.page, async () => {
      const { LoopLM } = await import("/looplm/index.js");
      const files = [...document.querySelector("input").files].map((file) =>
        file.name === "model.safetensors"
          ? new File([file.slice(0, 10_000)], file.name)
          : new File([file], file.name),
      );
      await LoopLM.load(files);
    });
    assert.equal(error.code, "checkpoint-invalid");
    assert.match(error.message, /model\.safetensors/);
  });
});

describe("a server that fails", () => {
  const MODEL = "/fixtures/f32-mha/model/";
  const failing = (what, file) => `/fail/${what}/${file}${MODEL}`;

  for (const what of ["404", "html"]) {
    for (const file of ["config.json", "model.safetensors"]) {
      test(`${file} missing (${what})`, async () => {
        const error = await thrownBy(tab.page, loadAndDispose, [failing(what, file), {}]);
        assert.equal(error.code, "checkpoint-invalid");
        assert.equal(error.name, "CheckpointError");
        assert.ok(error.message.includes(file), error.message);
      });
    }
  }

  for (const file of ["config.json", "model.safetensors"]) {
    test(`HTTP 500 for ${file}`, async () => {
      const error = await thrownBy(tab.page, loadAndDispose, [failing("500", file), {}]);
      assert.equal(error.code, "network");
      assert.deepEqual(error.details, { url: `${tab.origin}${failing("500", file)}${file}`, status: 500 });
    });
  }

  test("the connection lost in the middle of the weights", async () => {
    for (const worker of [true, false]) {
      const error = await thrownBy(tab.page, loadAndDispose, [
        failing("cut", "model.safetensors"),
        { worker },
      ]);
      assert.equal(error.code, "network");
      assert.match(error.message, /connection lost after [1-9]\d* of \d+ bytes/);
    }
  });

  test("weights that end too early", async () => {
    const error = await thrownBy(tab.page, loadAndDispose, [failing("short", "model.safetensors"), {}]);
    assert.equal(error.code, "checkpoint-invalid");
    assert.match(error.message, /model\.safetensors/);
  });

  test("no such server, and no model folder at all", async () => {
    const unreachable = await thrownBy(tab.page, loadAndDispose, ["http://127.0.0.1:9/", {}]);
    assert.equal(unreachable.code, "network");
    const nowhere = await thrownBy(tab.page, loadAndDispose, ["/nowhere/", {}]);
    assert.equal(nowhere.code, "checkpoint-invalid");
  });

  test("after a failure a right address loads", async () => {
    for (const what of ["cut", "500", "short"]) {
      await thrownBy(tab.page, loadAndDispose, [failing(what, "model.safetensors"), { worker: false }]);
    }
    await tab.page.evaluate(loadAndDispose, [MODEL, { worker: false }]);
  });
});

describe("the wasm elsewhere", () => {
  test("wasmUrl is followed, relative to the page", async () => {
    const wasmUrl = "looplm/wasm/looplm_bg.wasm";
    await tab.page.evaluate(loadAndDispose, ["/fixtures/f32-mha/model", { wasmUrl }]);
  });

  test("a wrong one says so", async () => {
    for (const wasmUrl of ["/nowhere.wasm", "/"]) {
      const error = await thrownBy(tab.page, loadAndDispose, ["/fixtures/f32-mha/model", { wasmUrl }]);
      assert.equal(error.code, "network");
      assert.match(error.message, /wasmUrl/);
    }
    const wasmUrl = "/looplm/index.js";
    const error = await thrownBy(tab.page, loadAndDispose, ["/fixtures/f32-mha/model", { wasmUrl }]);
    assert.equal(error.code, "internal");
  });
});

describe("the package from another origin, as from a CDN", () => {
  let cdn;
  before(async () => (cdn = await serve()));
  after(() => cdn?.close());

  /** Loads with a package from `from`; the origins of the scripts of the Workers that were asked for. */
  async function workersOf([from, options]) {
    const { LoopLM, Trainer } = await import(`${from}/looplm/index.js`);
    const started = [];
    const { Worker } = globalThis;
    globalThis.Worker = class extends Worker {
      constructor(url, ...more) {
        super(url, ...more);
        started.push(new URL(url).protocol === "blob:" ? "blob" : new URL(url).origin);
      }
    };
    try {
      const model = await LoopLM.load("/fixtures/f32-mha/model", options);
      await model.forward([1, 2]);
      await model.dispose();
      await Trainer.presets();
    } finally {
      globalThis.Worker = Worker;
    }
    return started;
  }

  test("Workers start by way of a script of the page's own", async () => {
    assert.deepEqual(await tab.page.evaluate(workersOf, [cdn.origin, {}]), ["blob", "blob"]);
    assert.ok(cdn.asked.includes("/looplm/worker.js") && cdn.asked.includes("/looplm/trainer/worker.js"));
  });

  test("workerUrl says where the script is, in either place", async () => {
    const own = { workerUrl: "/looplm/worker.js" };
    assert.deepEqual(await tab.page.evaluate(workersOf, [cdn.origin, own]), [tab.origin, "blob"]);
    const elsewhere = { workerUrl: `${cdn.origin}/looplm/worker.js` };
    assert.deepEqual(await tab.page.evaluate(workersOf, [tab.origin, elsewhere]), ["blob", tab.origin]);
  });
});

test("a signal stops a slow load at once", async () => {
  for (const worker of [true, false]) {
    const [error, waited] = await tab.page.evaluate(async (worker) => {
      const { LoopLM } = await import("/looplm/index.js");
      const abort = new AbortController();
      const loading = LoopLM.load("/fail/slow/model.safetensors/models/shell-game", {
        worker,
        signal: abort.signal,
        onProgress: ({ phase, loaded }) => {
          if (phase === "weights" && loaded > 0 && !abort.signal.aborted) {
            start = performance.now();
            abort.abort();
          }
        },
      });
      let start = 0;
      const error = await loading.catch(({ name, code }) => ({ name, code }));
      return [error, performance.now() - start];
    }, worker);
    assert.deepEqual(error, { name: "AbortError", code: "aborted" });
    assert.ok(waited < 1000, `${waited} ms`);
  }
});

/** In the page: the tier of its adapter. */
async function bestTier() {
  const { features } = await navigator.gpu.requestAdapter();
  const subgroups = features.has("subgroups") && navigator.gpu.wgslLanguageFeatures.has("subgroup_id");
  return subgroups ? "subgroups" : "baseline";
}
