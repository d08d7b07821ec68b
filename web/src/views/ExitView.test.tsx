import { renderToString } from "preact-render-to-string";
import { beforeEach, expect, it, vi } from "vitest";
import { column } from "../model/exit.ts";
import * as chat from "../state/chat-run.ts";
import { columns } from "../state/view.ts";
import { ExitView } from "./ExitView.tsx";

vi.mock("looplm", () => ({}));
vi.mock("../state/theme.ts", () => ({ theme: { value: "light" } }));

const html = () => renderToString(<ExitView />).replaceAll(/\s+/g, " ");
const steps = [{ lambda: 1, probability: 1 }];

beforeEach(() => {
  columns.value = Array.from({ length: 40 }, (_, position) =>
    column({ position, label: "w", origin: "generated", steps }),
  );
  chat.state.value = "done";
  chat.tracing.value = false;
});

it("keeps its numbers to itself while an answer comes, and while the prompt's columns do", () => {
  const busy = () => /class="caption" aria-live="polite" aria-busy="(\w+)"/.exec(html())![1];
  expect(busy()).toBe("false");
  chat.state.value = "running";
  expect(busy()).toBe("true");
  chat.state.value = "done";
  chat.tracing.value = true;
  expect(busy()).toBe("true");
});

it("has one cell for Tab, though the one to look at is out of sight", () => {
  const shown = html();
  expect(shown).not.toContain('data-column="39"');
  expect(shown.match(/role="gridcell"[^>]*tabindex="0"/g)).toHaveLength(1);
});
