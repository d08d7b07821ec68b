import { createError } from "./errors.js";

/** What `isWebGPUAvailable` found. */
export interface WebGPUAvailability {
  /** Whether there is an adapter. */
  available: boolean;
  /** Why not, and what to do, in a sentence or two for the person at the screen. */
  reason?: string;
}

/** Whether this browser, on this machine, can run models. Asks for an adapter and lets go of it again; never throws. */
export async function isWebGPUAvailable(): Promise<WebGPUAvailability> {
  const missing = missingWebGPU();
  if (missing !== undefined) return { available: false, reason: missing };
  try {
    // The same preference as the engine's: the answer should be about the same adapter.
    if ((await navigator.gpu.requestAdapter({ powerPreference: "high-performance" })) !== null) {
      return { available: true };
    }
  } catch (error) {
    return { available: false, reason: `${noAdapter()} (${String(error)})` };
  }
  return { available: false, reason: noAdapter() };
}

/** Throws `webgpu-unavailable` where this thread has no WebGPU at all. Does not ask for an adapter: the engine does. */
export function requireWebGPU(): void {
  const reason = missingWebGPU();
  if (reason !== undefined) throw createError("webgpu-unavailable", reason, { reason });
}

/** Throws `webgpu-unavailable` unless this thread can have an adapter. */
export async function requireAdapter(): Promise<void> {
  const { available, reason = noAdapter() } = await isWebGPUAvailable();
  if (!available) throw createError("webgpu-unavailable", reason, { reason });
}

function missingWebGPU(): string | undefined {
  if (typeof navigator === "undefined") {
    return "WebGPU is not available: this is no browser. Under Node, use the looplm program or the Rust crate.";
  }
  // Absent in browsers without WebGPU, whatever the type says.
  const gpu = navigator.gpu as GPU | undefined;
  if (gpu !== undefined) return undefined;
  if (globalThis.isSecureContext === false) {
    return "WebGPU is not available on this address: browsers offer it on https:// and on localhost only.";
  }
  if (typeof document === "undefined") {
    return `WebGPU is not available in Workers of this browser. Try the option worker: false. ${howToGet()}`;
  }
  return `WebGPU is not available in this browser. ${howToGet()}`;
}

function noAdapter(): string {
  return `This browser has WebGPU but offers no GPU adapter. Turn on hardware acceleration in its settings and update the graphics driver. ${howToGet()}`;
}

/** How to get WebGPU in the browser at hand. Edge and Opera also say Chrome, and Chrome also says Safari. */
function howToGet(userAgent: string = navigator.userAgent): string {
  const linux = /Linux/.test(userAgent) && !/Android/.test(userAgent);
  if (/Firefox\//.test(userAgent)) {
    return "Firefox has it from version 141 on Windows and 145 on Apple silicon; elsewhere set dom.webgpu.enabled in about:config, and gfx.webgpu.ignore-blocklist if there is still no adapter.";
  }
  if (/Chrome\//.test(userAgent)) {
    if (/Android/.test(userAgent)) return "Chrome has it from version 121 on Android 12 and newer.";
    return linux
      ? "Chrome and Edge have it from version 113; on Linux see chrome://gpu, and start with --enable-unsafe-webgpu --enable-features=Vulkan if it is off."
      : "Chrome and Edge have it from version 113; see chrome://gpu if it is off.";
  }
  if (/Safari\//.test(userAgent)) {
    return "Safari has it from version 26 (macOS, iOS and iPadOS 26).";
  }
  return "Current Chrome, Edge, Firefox and Safari have it.";
}
