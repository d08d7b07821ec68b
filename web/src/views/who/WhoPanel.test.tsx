import { LoopLM } from "looplm";
import { renderToString } from "preact-render-to-string";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { taskOf } from "../../model/task.ts";
import { open } from "../../state/model.ts";
import { ask, clear, tell } from "../../state/who/run.ts";
import { columns } from "../../state/view.ts";
import { ExitMeans } from "./ExitMeans.tsx";
import { WhoPanel } from "./WhoPanel.tsx";

vi.mock("looplm", () => import("../../testing/looplm-double.ts"));
vi.mock("../../state/theme.ts", () => ({ theme: { value: "light" } }));

const html = (view: preact.VNode) => renderToString(view).replaceAll(/\s+/g, " ");

beforeEach(async () => {
  const model = await LoopLM.load("who-is-who");
  open.value = { source: { name: "m", from: "m" }, model, info: model.info, task: taskOf(model.info) };
  clear();
});

describe("the panel", () => {
  it("offers the samples by their hops, and the question in selects", async () => {
    await ask({ person: "alice", path: ["friend", "boss"] });
    const shown = html(<WhoPanel />);
    expect(shown).toContain("taught 4 people by heart: who is whose friend or boss");
    expect(shown).toMatch(/aria-pressed="true">the boss of the friend of alice is/);
    expect(shown).toMatch(/aria-label="Relation 1 of the sentence".*<option value="boss" selected>/);
    expect(shown).toContain("Let it tell about alice");
    expect(shown).toContain("The questions of 3 hops above were kept out");
  });
  it("says what the facts are, and what each step said", async () => {
    await ask({ person: "alice", path: ["friend", "boss"] });
    const shown = html(<WhoPanel />);
    expect(shown).toContain("It says david, which is right.");
    expect(shown).toContain("By the facts, alice’s friend is bob, and bob’s boss is david.");
    expect(shown.match(/class="by-step-word"/g)).toHaveLength(4);
  });
  it("counts the facts of a story, and says which was wrong", async () => {
    await tell("alice");
    expect(html(<WhoPanel />)).toContain("2 of the 2 facts it told are true.");
    columns.value = columns.value.map((c) => (c.truth === "bob" ? { ...c, truth: "carol" } : c));
    expect(html(<WhoPanel />)).toContain("it is carol");
    expect(html(<WhoPanel />)).toContain("1 of the 2 facts it told is true.");
  });
});

it("compares the words of what was answered", async () => {
  expect(html(<ExitMeans />)).toContain("0 sentences");
  await tell("alice");
  const shown = html(<ExitMeans />);
  expect(shown).toContain("1 sentence.");
  expect(shown).toMatch(/<th scope="row">words of the pattern .*<th scope="row">names, 1 hop /);
  expect(shown).toMatch(/step 1: \d+, step 2: \d+, step 3: \d+, step 4: \d+/);
  expect(shown).toMatch(/Words of the pattern left after \d\.\d steps on average, names after \d\.\d/);
});
