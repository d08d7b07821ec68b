// Draws how the memory of a page went while a model was loaded.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const resolve = createRequire(new URL("../../../web/package.json", import.meta.url)).resolve;
const SIZE = { width: 900, height: 300 };

/** `runs` are { round, samples: [{ seconds, bytes }], wasm }; `limit` is a line across. The file is a PNG. */
export async function drawCurve(context, runs, limit, file) {
  const page = await context.newPage();
  await page.setContent(`<style>${readFileSync(resolve("uplot/dist/uPlot.min.css"), "utf8")}
    body { margin: 0; padding: 16px; display: inline-block; background: white; font: 13px sans-serif } .u-title { font-size: 14px }</style>`);
  await page.addScriptTag({ path: resolve("uplot/dist/uPlot.iife.min.js") });
  await page.evaluate(draw, { runs, limit, size: SIZE });
  await page.locator("body").screenshot({ path: file });
  await page.close();
}

function draw({ runs, limit, size }) {
  for (const { round, samples, wasm } of runs) {
    const seconds = samples.map((sample) => sample.seconds);
    const megabytes = samples.map((sample) => (sample.bytes + wasm) / 1e6);
    const options = {
      ...size,
      title: round,
      legend: { live: false },
      scales: { x: { time: false }, y: { range: [0, limit / 1e6 + 20] } },
      axes: [{ label: "seconds" }, { label: "MB over the idle page" }],
      series: [
        { label: "seconds" },
        { label: "JavaScript's heap, buffers and wasm's memory", stroke: "#2563eb", width: 1 },
        { label: "most it may be", stroke: "#dc2626", dash: [6, 4] },
      ],
    };
    new window.uPlot(options, [seconds, megabytes, seconds.map(() => limit / 1e6)], document.body);
  }
}
