// Starts a headless Firefox with WebGPU by the system's Vulkan driver, which may well compute on the CPU (lavapipe).
import puppeteer from "puppeteer-core";
import { findProgram } from "./programs.mjs";

// Off by default on Linux, and never on the CPU.
const WEBGPU = {
  "dom.webgpu.enabled": true,
  "gfx.webgpu.ignore-blocklist": true,
};

/**
 * Without `webgpu` the browser has no `navigator.gpu`. `profile`: a folder to keep what its pages store in. `storageKiB`: how much
 * that may be, of all pages together. `userAgent`: what it calls itself.
 */
export function launchFirefox({ webgpu = true, profile, storageKiB, userAgent } = {}) {
  return puppeteer.launch({
    browser: "firefox",
    executablePath: findFirefox(),
    userDataDir: profile,
    extraPrefsFirefox: {
      ...(webgpu ? WEBGPU : { "dom.webgpu.enabled": false }),
      ...(storageKiB && { "dom.quotaManager.temporaryStorage.fixedLimit": storageKiB }),
      ...(userAgent && { "general.useragent.override": userAgent }),
    },
    // A single call may load a model and answer with it.
    protocolTimeout: 600_000,
  });
}

function findFirefox() {
  const found = process.env.FIREFOX || findProgram(["firefox-esr", "firefox"]);
  if (found) return found;
  throw new Error("no Firefox on PATH: install one, or name one in FIREFOX");
}
