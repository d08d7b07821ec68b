// What run.mjs calls in a page: `window.bench`. One contestant a page.
let contestant;

window.bench = {
  adapter: describeAdapter,

  /** Loads a contestant; milliseconds until it could be asked something, and what there is to say about it. */
  async load(name, folder, options) {
    if (options.hideSubgroups) hideSubgroups();
    const model = await (await fetch(`${folder}/bench.json`)).json();
    const started = performance.now();
    const { load } = await import(`./contestants/${name}.js`);
    contestant = await load(folder, model, options);
    return { ms: performance.now() - started, notes: contestant.notes };
  },

  /**
   * One answer, greedy: its ids, and the milliseconds after the question at which the first and the last of them came. With
   * `onFirst` that function of the page is called between the two.
   */
  async answer(ids, count, onFirst) {
    const answer = [];
    let first, last;
    const started = performance.now();
    await contestant.generate(ids, count, (id) => {
      last = performance.now() - started;
      if (answer.length === 0) {
        first = last;
        window[onFirst]?.();
      }
      answer.push(id);
    });
    return { ids: answer, first, last };
  },

  dispose: () => contestant.dispose(),
};

async function describeAdapter() {
  const adapter = await navigator.gpu?.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) return null;
  const { vendor, architecture, device, description, subgroupMinSize, subgroupMaxSize } = adapter.info;
  const features = [...adapter.features].sort();
  return { vendor, architecture, device, description, subgroupMinSize, subgroupMaxSize, features };
}

/**
 * onnxruntime-web computes the attention of a prompt wrongly where a subgroup has fewer than 8 threads (SwiftShader: 4). It has
 * kernels without subgroups, whose results are right: it uses them where the adapter does not name the feature.
 */
function hideSubgroups() {
  const features = Object.getOwnPropertyDescriptor(GPUAdapter.prototype, "features");
  Object.defineProperty(GPUAdapter.prototype, "features", {
    ...features,
    get() {
      return new Set([...features.get.call(this)].filter((name) => !name.startsWith("subgroup")));
    },
  });
}
