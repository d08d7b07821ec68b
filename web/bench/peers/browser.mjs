// A headless browser as its users have it: a Chromium, with WebGPU on the CPU (SwiftShader) unless the machine's GPU is asked
// for, or a Firefox, which takes the system's Vulkan driver whichever it is.
//
// Unlike in the tests, workgroup memory is zeroed, which looplm does without and onnxruntime-web's product of one row does not
// (its results are wrong then). `--no-workgroup-init` switches it off here, too: SwiftShader spends much time on the zeroing, so
// that the peers' times without it are a bound on what they could reach, though their answers are wrong.
import { launchChromium } from "../../../tests/browser/chromium.mjs";
import { launchFirefox } from "../../../tests/browser/firefox.mjs";

export function launch({ browser, gpu, workgroupInit }) {
  return browser === "firefox" ? launchFirefox() : launchChromium({ gpu, workgroupInit });
}
