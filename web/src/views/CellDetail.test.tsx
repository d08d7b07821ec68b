import { renderToString } from "preact-render-to-string";
import { expect, it, vi } from "vitest";
import { column } from "../model/exit.ts";
import { columns } from "../state/view.ts";
import { CellDetail } from "./CellDetail.tsx";

vi.mock("looplm", () => ({}));
vi.mock("../state/theme.ts", () => ({ theme: { value: "light" } }));

it("explains each of the gate's numbers where a finger can read it too", () => {
  const steps = [{ lambda: 0.5, probability: 0.5, entropy: 0.25, change: 1 }];
  columns.value = [column({ position: 0, label: "w", origin: "generated", steps })];
  const html = renderToString(<CellDetail />);
  expect(html.match(/<dt>[^<]+<\/dt><dd>[^<]+<\/dd><dd class="says">[^<]+<\/dd>/g)).toHaveLength(5);
  expect(html).not.toContain("title=");
});
