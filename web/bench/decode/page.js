// The page of decode.html. What is to be measured stands in its address, so that every first token is that of a page just
// opened: the address of the form's answers, then once with `load=cold` and several times with `load=warm`.
import { LoopLM } from "looplm";
import { firstToken, measure } from "./measure.js";
import { reportText } from "./report.js";
import { spread } from "./statistics.js";

const WARM_LOADS = 3;
const KEPT = "looplm-bench-first-tokens";

const at = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);

if (query.has("model")) {
  for (const [name, value] of query) {
    const field = at("form").elements[name];
    if (field) field.value = value;
  }
  run().catch((error) => finish({ error: String(error?.message ?? error) }));
}

async function run() {
  const options = {
    model: new URL(query.get("model"), location.href).href,
    format: query.get("format") || "stored",
    contexts: (query.get("contexts") || "128,1024,4096").split(",").map(Number),
  };
  const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "[]");
  switch (query.get("load")) {
    case null:
      // Nothing of an earlier run is to be left. The browser's own caches are not a page's to empty.
      await LoopLM.evict(options.model);
      sessionStorage.setItem(KEPT, "[]");
      return again("cold");
    case "cold":
      say("the first token, with nothing kept");
      sessionStorage.setItem(KEPT, JSON.stringify([await firstToken(options)]));
      return again("warm");
    default:
      say(`the first token, load ${kept.length + 1} of ${WARM_LOADS + 1}`);
      kept.push(await firstToken(options));
      sessionStorage.setItem(KEPT, JSON.stringify(kept));
      if (kept.length <= WARM_LOADS) return again("warm");
  }
  const [cold, ...warm] = kept;
  const result = await measure(options, say);
  finish({ ...result, firstTokenMs: { cold, warm: spread(warm) } });
}

/** Opens the page anew. */
function again(load) {
  query.set("load", load);
  location.replace(`?${query}`);
}

function say(what) {
  at("status").textContent = `Measuring: ${what} ...`;
}

/** Shows what was found; `window.result` is for decode.mjs. */
function finish(result) {
  window.result = result;
  at("status").textContent = result.error ?? (result.counts ? "Done." : "Done. This run does not count.");
  if (result.error) return;
  at("report").textContent = reportText(result);
  const json = new Blob([JSON.stringify(result, null, 2)], { type: "application/json" });
  at("download").href = URL.createObjectURL(json);
  at("download").hidden = false;
}
