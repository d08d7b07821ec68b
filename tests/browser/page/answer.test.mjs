// The page is alive at once, and answers what it is asked.
import assert from "node:assert/strict";
import { test } from "node:test";
import { answered, ask, exitSteps, slide, TASK, useSite } from "./page.mjs";

const site = useSite();

/** The arrangement after some moves, by the rule the model's config states. */
function arrangement(words) {
  return words.reduce((cups, word) => TASK.moves[word].map((place) => cups[place]), ["1", "2", "3"]).join("");
}

test("answers its example without being asked, and rightly", async () => {
  const page = await site.shared();
  const answer = await answered(page);
  const words = TASK.example.split(" ");
  assert.equal(await page.getByRole("textbox", { name: /moves/i }).inputValue(), TASK.example);
  // The shipped model is sure of its example; should a retrained one not be, the example wants changing.
  assert.equal(await answer.getAttribute("data-answer"), arrangement(words));
  assert.match(await answer.innerText(), /place [123]\s*right/i);
  const exits = await exitSteps(page);
  assert.equal(exits.length, words.length);
  assert.ok(exits.every((step) => Number.isInteger(step) && step >= 1 && step <= 4));
  assert.equal(await page.getByRole("gridcell").count(), words.length * 4);
});

test("answers what is typed", async () => {
  const page = await site.shared();
  await ask(page, "left swap12");
  const answer = page.getByTestId("answer");
  assert.equal(await answer.getAttribute("data-answer"), arrangement(["left", "swap12"]));
  assert.deepEqual(await page.locator(".column-head .token").allInnerTexts(), ["left", "swap12"]);
});

test("a move added by its button extends the shuffle", async () => {
  const page = await site.shared();
  const before = await exitSteps(page);
  await page.getByRole("button", { name: "right", exact: true }).click();
  await page.waitForFunction(
    (length) =>
      JSON.parse(document.querySelector('[data-testid="answer"]').dataset.exitSteps).length === length,
    before.length + 1,
  );
  // Causal: what comes after a move changes nothing about it.
  assert.deepEqual((await exitSteps(page)).slice(0, -1), before);
});

test("the length slider and the shuffle button make new shuffles", async () => {
  const page = await site.shared();
  await slide(page, "Length", 16);
  await page.waitForFunction(() => document.querySelectorAll('[role="columnheader"]').length === 17);
  const box = page.getByRole("textbox", { name: /moves/i });
  const first = await box.inputValue();
  assert.ok(first.startsWith(TASK.example), "a longer shuffle goes on from the shorter");
  await page.getByRole("button", { name: "Shuffle" }).click();
  assert.notEqual(await box.inputValue(), first);
  assert.equal((await box.inputValue()).split(" ").length, 16);
});

test("says which word is no move, and does not ask", async () => {
  const page = await site.shared();
  const box = page.getByRole("textbox", { name: /moves/i });
  await box.fill("left wiggle");
  await page.getByText("“wiggle” is not a move this model knows").waitFor();
  assert.equal(await box.getAttribute("aria-invalid"), "true");
  assert.ok(await page.getByRole("button", { name: "Ask" }).isDisabled());
});

test("more steps than trained are run, and called extrapolation", async () => {
  const page = await site.shared();
  assert.equal(await page.getByText("Extrapolation:").count(), 0);
  await page.getByRole("radio", { name: "6" }).check();
  await page.waitForFunction(() => document.querySelectorAll('[role="rowheader"]').length === 6);
  await page.getByText("Extrapolation: the model was trained with 4.").waitFor();
  await page.getByRole("radio", { name: "1" }).check();
  await page.waitForFunction(() => document.querySelectorAll('[role="rowheader"]').length === 1);
  assert.deepEqual(new Set(await exitSteps(page)), new Set([1]));
});
