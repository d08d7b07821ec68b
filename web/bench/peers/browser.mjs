// A headless browser as its users have it: a Chromium, with WebGPU on the CPU (SwiftShader) unless the machine's GPU is asked
// for, or a Firefox, which takes the system's Vulkan driver whichever it is.
//
// The Chromium is not that of tests/browser/chromium.mjs: it switches off the zeroing of workgroup memory, which looplm does without and
// onnxruntime-web's product of one row does not (its results are wrong then). `--no-workgroup-init` switches it off here, too:
// SwiftShader spends much time on the zeroing, so that the peers' times without it are a bound on what they could reach, though
// their answers are wrong.
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { chromium } from "playwright-core";
import { launchFirefox } from "../../../tests/browser/firefox.mjs";

const QUIET = [
  "--no-sandbox",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--enable-unsafe-webgpu",
];
const GPU = ["--enable-features=Vulkan", "--use-angle=vulkan", "--ignore-gpu-blocklist"];
const SWIFTSHADER = ["--use-webgpu-adapter=swiftshader"];

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

export function launch({ browser, gpu, workgroupInit }) {
  if (browser === "firefox") return launchFirefox();
  return chromium.launch({
    executablePath: process.env.CHROME ?? findChromium(),
    args: [
      ...QUIET,
      ...(gpu ? GPU : SWIFTSHADER),
      ...(workgroupInit ? [] : ["--enable-dawn-features=disable_workgroup_init"]),
    ],
  });
}

function findChromium() {
  const folders = (process.env.PATH ?? "").split(delimiter);
  const found = NAMES.flatMap((name) => folders.map((folder) => join(folder, name))).find(existsSync);
  if (found === undefined) throw new Error("no Chromium on PATH: name one in CHROME");
  return found;
}
