import { renderToString } from "preact-render-to-string";
import { afterEach, expect, it, vi } from "vitest";
import { addRun, dropRun, runs } from "../../state/train/runs.ts";
import { madeRoom } from "../../state/train/session.ts";
import { MOST_RUNS } from "../../state/train/store.ts";
import { trainConfig } from "../../testing/train-fixtures.ts";
import { RunsPanel } from "./RunsPanel.tsx";

vi.mock("looplm", () => ({}));
vi.mock("../ConfirmButton.tsx", () => ({
  ConfirmButton: ({ words, again }: { words: string; again: string }) => `${words}? ${again}!`,
}));
vi.mock("../../state/route.ts", async () => ({ view: (await import("@preact/signals")).signal("train") }));

afterEach(() => {
  runs.value.forEach((run) => dropRun(run.id));
  madeRoom.value = undefined;
});

const rested = (title: string, savedAt: number) =>
  addRun({ title, config: trainConfig(), status: "done", update: 1, savedAt });
const shown = () =>
  renderToString(<RunsPanel run={runs.value[0]!} />)
    .replace(/<[^>]+>/g, " ")
    .replace(/\s+/g, " ");

it("says how many runs are kept only once that matters, and which one goes next", () => {
  for (let i = 1; i < MOST_RUNS; i++) rested(`title ${i}`, i);
  expect(shown()).not.toContain("newest");
  rested("older", 0);
  expect(shown()).toContain("keeps the 8 newest runs. Another one will take the place of run 8:");
});

it("tells which run has made room", () => {
  rested("the newest", 9);
  madeRoom.value = "First look";
  expect(shown()).toContain("keeps the 8 newest runs. “First look” was the oldest and has made room.");
});

it("asks before it removes a run", () => {
  rested("shown", 1);
  expect(shown()).not.toContain("Remove");
  rested("another", 2);
  expect(shown()).toContain("Remove? Really remove!");
});
