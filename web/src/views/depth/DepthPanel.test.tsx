import { LoopLM } from "looplm";
import { renderToString } from "preact-render-to-string";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { taskOf } from "../../model/task.ts";
import { clear } from "../../state/depth/meter.ts";
import { mode, rule, setNumber } from "../../state/depth/settings.ts";
import { open } from "../../state/model.ts";
import * as who from "../../state/who/run.ts";
import { CostPanel } from "./CostPanel.tsx";
import { DepthPanel } from "./DepthPanel.tsx";

vi.mock("looplm", () => import("../../testing/looplm-double.ts"));
vi.mock("../../state/theme.ts", () => ({ theme: { value: "light" } }));

const html = (view: preact.VNode) => renderToString(view).replaceAll(/\s+/g, " ");

beforeEach(async () => {
  const model = await LoopLM.load("who-is-who");
  open.value = { source: { name: "m", from: "m" }, model, info: model.info, task: taskOf(model.info) };
  mode.value = "verified";
  rule.value = "gate";
  who.clear();
  clear();
});

describe("the panel", () => {
  it("says that a verified answer is that of full depth, and of no other", () => {
    expect(html(<DepthPanel />)).toContain("identical to full depth");
    mode.value = "early";
    expect(html(<DepthPanel />)).not.toContain("identical to full depth");
    expect(html(<DepthPanel />)).toContain("Leave when the gate is");
    mode.value = "full";
    expect(html(<DepthPanel />)).not.toContain("Other rules");
  });
  it("offers to answer again once the settings are others", async () => {
    await who.ask({ person: "alice", path: ["friend"] });
    expect(html(<DepthPanel />)).not.toContain("other settings");
    mode.value = "full";
    expect(html(<DepthPanel />)).toMatch(
      /class="primary"[^>]*>Answer again.*The answer shown was made with other settings/,
    );
  });
});

describe("what an answer took", () => {
  it("is drawn and said, wrong guesses struck out", async () => {
    rule.value = "step";
    setNumber("step", 1);
    await who.tell("bob");
    const shown = html(<CostPanel />);
    expect(shown).toMatch(/class="timeline-name back"/);
    expect(shown).toMatch(/class="timeline-bar (early )?taken-back"/);
    expect(shown).toMatch(/guess(es)? (was|were) wrong, and \d+ words? begun on (it|them)/);
    expect(html(<DepthPanel />)).toMatch(/guessed at step 1/);
  });
  it("leaves no choice of memory while guesses are checked, and says why", () => {
    expect(html(<CostPanel />)).toMatch(/<fieldset disabled aria-describedby="memory-fixed">/);
    mode.value = "early";
    const shown = html(<CostPanel />);
    expect(shown).not.toContain("memory-fixed");
    expect(shown).toMatch(/value="last-exited" checked/);
    expect(shown).toContain("known to break models");
  });
});
