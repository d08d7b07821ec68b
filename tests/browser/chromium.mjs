// Starts a headless Chromium that computes WebGPU on the CPU (SwiftShader), the same on every machine, unless it is asked
// to use the machine's GPU.
import { chromium } from "playwright-core";
import { findProgram } from "./programs.mjs";

const PROGRAMS = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

const QUIET = [
  "--no-sandbox",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const GPU = [
  "--enable-unsafe-webgpu",
  "--enable-features=Vulkan",
  "--use-angle=vulkan",
  "--ignore-gpu-blocklist",
];
const SWIFTSHADER = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"];
// SwiftShader unrolls the zeroing of workgroup memory, which takes time to compile. No kernel may rely on it, and one that does
// shows here.
const NO_WORKGROUP_INIT = "--enable-dawn-features=disable_workgroup_init";

/**
 * Without `webgpu` the browser has no adapter, as on a machine without a GPU. With `gpu` it is a real one. With
 * `workgroupInit` it has workgroup memory zeroed, as a real one always does. With `profile`, a folder, what its pages store
 * is on the disk, and it is a context that is returned.
 */
export function launchChromium({ webgpu = true, gpu = false, workgroupInit = gpu, profile } = {}) {
  const args = [...QUIET];
  if (webgpu) args.push(...(gpu ? GPU : SWIFTSHADER));
  if (webgpu && !workgroupInit) args.push(NO_WORKGROUP_INIT);
  const options = { executablePath: findChromium(), args };
  return profile === undefined
    ? chromium.launch(options)
    : chromium.launchPersistentContext(profile, options);
}

/** `cargo xtask` names the browser in CHROME; the rest is for tests started by hand. */
function findChromium() {
  const found = process.env.CHROME || findProgram(PROGRAMS);
  if (found) return found;
  throw new Error("no Chromium on PATH: run `cargo xtask setup`, or name one in CHROME");
}
