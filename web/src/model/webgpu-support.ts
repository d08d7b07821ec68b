/** How to get WebGPU, browser by browser. */
export interface BrowserAdvice {
  name: string;
  advice: string;
  command?: string;
}

// From the implementation status the WebGPU group keeps (gpuweb wiki, April 2026) and MDN's compatibility data.
export const BROWSERS: readonly BrowserAdvice[] = [
  {
    name: "Chrome and Edge",
    advice:
      "On by default on Windows, macOS and ChromeOS since version 113, and on Android 12 or later since 121. If it is missing, update the browser and check that “Use graphics acceleration when available” is on.",
  },
  {
    name: "Chrome and Edge on Linux",
    advice:
      "On by default with Intel graphics (12th generation or later) since version 144 and with NVIDIA (driver 535.183 or later) since 147. Elsewhere start the browser with",
    command: "--enable-unsafe-webgpu --use-angle=vulkan --enable-features=Vulkan,VulkanFromANGLE",
  },
  { name: "Safari", advice: "On by default since Safari 26, on macOS, iOS, iPadOS and visionOS." },
  {
    name: "Firefox",
    advice:
      "On by default on Windows since version 141; on Macs with Apple silicon since 145 (macOS 26) and 147 (earlier macOS). On Linux it is on in Firefox Nightly; in others set dom.webgpu.enabled in about:config, and, without a graphics card, gfx.webgpu.ignore-blocklist.",
  },
];

/** Whether this browser has the WebGPU interface at all; an adapter may still be missing. */
export function hasWebGpu(): boolean {
  return typeof navigator !== "undefined" && "gpu" in navigator && Boolean(navigator.gpu);
}
