// Where there is no WebGPU the page says so, how to get it, and what there would be to see.
import assert from "node:assert/strict";
import { test } from "node:test";
import { useSite } from "./page.mjs";

const site = useSite({ webgpu: false });

async function explains(page) {
  await page.getByRole("heading", { name: "This browser offers no WebGPU here" }).waitFor();
  for (const browser of ["Chrome and Edge", "Safari", "Firefox"])
    assert.equal(await page.getByText(browser, { exact: true }).count(), 1, browser);
  await page.getByRole("img", { name: /Drawing of the exit view/ }).waitFor();
  await page.getByText("No model has run to make it.").waitFor();
  assert.equal(await page.getByTestId("answer").count(), 0, "nothing pretends to answer");
}

test("explains itself where the browser has no adapter", async () => {
  await explains(await site.open());
});

test("explains itself where the browser has no WebGPU at all", async () => {
  const page = await site.open({}, () =>
    Object.defineProperty(Navigator.prototype, "gpu", { value: undefined, configurable: true }),
  );
  await explains(page);
});
