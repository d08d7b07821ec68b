import { renderToString } from "preact-render-to-string";
import { afterEach, expect, it } from "vitest";
import { device } from "../../state/offers/device.ts";
import { DevicePanel } from "./DevicePanel.tsx";

afterEach(() => (device.value = undefined));

it("tells of the machine in words that need no manual", () => {
  device.value = {
    gpu: "maker",
    maxBinding: 2 ** 27,
    maxBuffer: 2 ** 28,
    memory: undefined,
    atLeast: false,
    shared: false,
    onCpu: false,
  };
  const html = renderToString(<DevicePanel />);
  expect(html).toContain("<dt>most in one piece</dt><dd>256 MiB</dd>");
  expect(html).toContain("<dt>most read at once</dt><dd>128 MiB</dd>");
  expect(html).toContain("the GPU’s own bounds");
  expect(html).not.toMatch(/binding/i);
});
