// node firefox-adapter.mjs: whether this machine's Firefox has WebGPU with an adapter. Ends with 1, and says so, where not.
import { launchFirefox } from "./firefox.mjs";
import { serve } from "./pkg/server.mjs";

const server = await serve();
let browser;
try {
  browser = await launchFirefox();
  const page = await browser.newPage();
  await page.goto(`${server.origin}/`);
  const found = await page.evaluate(async () => Boolean(await navigator.gpu?.requestAdapter()));
  if (!found) throw new Error("it has no WebGPU adapter");
} catch (error) {
  console.error(`this Firefox cannot run the tests: ${error.message}`);
  process.exitCode = 1;
} finally {
  await browser?.close();
  await server.close();
}
