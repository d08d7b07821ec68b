// Tokens a second in a browser, through the npm package: what decode.html measures, in a browser that knows nothing yet.
//
//   cargo xtask build
//   cargo run --release -p looplm --example bench -- --size tiny --write target/bench/tiny
//   node web/bench/decode.mjs [--model target/bench/tiny] [--format q4] [--contexts 128,1024] [--gpu] [--json] [--serve]
//     [--browser chromium|firefox] [--nameless]
//
// Without --gpu WebGPU runs on the CPU (SwiftShader); with it on whatever GPU Chromium finds. Firefox takes whatever Vulkan driver
// the system has; --nameless has it not say that it is Firefox, so that the package does not hurry its waits. --serve opens no browser but
// says where the page is, for a browser of one's own. Ends with 1 if the model's tokens are not those of f32.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { launchChromium } from "../../tests/browser/chromium.mjs";
import { launchFirefox } from "../../tests/browser/firefox.mjs";
import { reportText } from "./decode/report.js";
import { ROOT, serve } from "./serve.mjs";

const { values: options } = parseArgs({
  options: {
    model: { type: "string", default: "target/bench/tiny" },
    format: { type: "string", default: "f16" },
    contexts: { type: "string", default: "128,1024,4096" },
    browser: { type: "string", default: "chromium" },
    nameless: { type: "boolean", default: false },
    gpu: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    serve: { type: "boolean", default: false },
  },
});

if (!["chromium", "firefox"].includes(options.browser)) {
  console.error("--browser is chromium or firefox");
  process.exit(1);
}
for (const [path, command] of [
  ["pkg/dist/index.js", "cargo xtask build"],
  [
    `${options.model}/config.json`,
    `cargo run --release -p looplm --example bench -- --size tiny --write ${options.model}`,
  ],
]) {
  if (!existsSync(join(ROOT, path))) {
    console.error(`there is no ${path}: ${command}`);
    process.exit(1);
  }
}

const server = await serve();
const address = new URL(`http://localhost:${server.address().port}/web/bench/decode.html`);
address.searchParams.set("model", `/${options.model}/`);
address.searchParams.set("format", options.format);
address.searchParams.set("contexts", options.contexts);
if (options.serve) {
  console.log(`measure in your browser: ${address}`);
} else {
  const userAgent = options.nameless ? "Mozilla/5.0" : undefined;
  const browser = await (options.browser === "firefox"
    ? launchFirefox({ userAgent })
    : launchChromium({ gpu: options.gpu }));
  try {
    const page = await browser.newPage();
    page.setDefaultTimeout(0);
    page.on("pageerror", (error) => console.error(String(error)));
    await page.goto(String(address));
    await page.waitForFunction(() => window.result);
    const result = await page.evaluate(() => window.result);
    if (result.error) throw new Error(result.error);
    console.log(options.json ? JSON.stringify(result) : reportText(result));
    process.exitCode = result.counts ? 0 : 1;
  } finally {
    await browser.close();
    server.close();
  }
}
