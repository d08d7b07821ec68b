import { renderToString } from "preact-render-to-string";
import { afterEach, expect, it, vi } from "vitest";
import { addRun, dropRun, runs } from "../../state/train/runs.ts";
import { evaluation, trainConfig } from "../../testing/train-fixtures.ts";
import { AccuracyTable } from "./AccuracyTable.tsx";

vi.mock("../../state/theme.ts", () => ({ theme: { value: "light" } }));

afterEach(() => runs.value.forEach((run) => dropRun(run.id)));

it("is a table of accuracies with the other runs beside them", () => {
  const run = addRun({ title: "first", config: trainConfig() });
  const other = addRun({ title: "second", config: trainConfig() });
  run.history.evaluations.push(evaluation(50, [0.5, 0.97], [0.2, 0.31]));
  other.history.evaluations.push(evaluation(50, [0.5, 0.44], [0.2, 0.11]));
  dropRun("nobody");
  const html = renderToString(<AccuracyTable run={run} />).replaceAll(/\s+/g, " ");
  expect(html).toContain("after 50 updates");
  expect(html).toMatch(/<th scope="row">easy<\/th>.*50 %.*97 %.*1\.0.*44 %/);
  expect(html).toMatch(/<th scope="row">middling<\/th>.*20 %.*31 %.*1\.3.*11 %/);
  expect(html).toContain("step 1");
  expect(html).toContain("2 steps solve up to “easy”");
});

it("waits for the first evaluation in words", () => {
  const run = addRun({ title: "first", config: trainConfig() });
  expect(renderToString(<AccuracyTable run={run} />)).toContain("first evaluation is on its way");
});
