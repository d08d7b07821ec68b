import type { LoopLM, ModelInfo } from "looplm";
import { renderToString } from "preact-render-to-string";
import { expect, it, vi } from "vitest";
import { open } from "../state/model.ts";
import { ModelPanel } from "./ModelPanel.tsx";

vi.mock("looplm", () => ({}));

function shown(warnings: string[]): string {
  const info = {
    architecture: { parameters: 1000, layers: 1, hiddenSize: 8, steps: 4 },
    memory: { weights: 4000, kvPer1000Tokens: { full: 1, shared: 1 }, workspace: 1 },
    adapter: { name: "gpu", vendor: "maker", backend: "", tier: "baseline" },
    contextLength: 64,
    format: "stored",
    warnings,
  } as unknown as ModelInfo;
  open.value = { source: { name: "m", from: "m" }, model: {} as LoopLM, info, task: undefined };
  return renderToString(<ModelPanel />);
}

it("tells what is odd about a checkpoint, and nothing if nothing is", () => {
  const html = shown(["tensor a is not used", "tensor b is not used"]);
  expect(html).toContain("tensor a is not used");
  expect(html).toContain("tensor b is not used");
  expect(shown([])).not.toContain("Worth knowing");
});

it("says what it runs on in words", () => {
  expect(shown([])).toContain("It runs on maker gpu, with programs that every GPU can run.");
});
