// The exit view: q without the model, the keyboard, what a cell opens, and the numbers of its caption.
import assert from "node:assert/strict";
import { test } from "node:test";
import { cell, exitSteps, slide, useSite } from "./page.mjs";

const site = useSite();

test("moving q redraws from the trace, without a call to the model", async () => {
  const page = await site.shared();
  const calls = () => page.evaluate(() => globalThis.engineCalls);
  const before = await calls();
  assert.ok(before > 0, "the counter counts");

  await slide(page, "Exit threshold q", 0.05);
  const early = await exitSteps(page);
  await slide(page, "Exit threshold q", 1);
  const late = await exitSteps(page);
  assert.ok(
    late.every((step) => step === 4),
    "q = 1 never leaves early",
  );
  assert.ok(early.every((step, i) => step <= late[i]));
  assert.ok(
    early.some((step) => step < 4),
    "a small q leaves early somewhere",
  );
  await page.getByText(`All ${4 * late.length} steps came before the gate had left.`).waitFor();

  await slide(page, "Exit threshold q", 0.05);
  const after = early.reduce((sum, step) => sum + 4 - step, 0);
  await page.getByText(`${after} of ${4 * early.length} steps came after the gate had left.`).waitFor();
  assert.equal(await page.locator(".cell.ghost").count(), after);
  assert.equal(await calls(), before);
});

test("the exits are those the numbers of the cells give", async () => {
  const page = await site.shared();
  await slide(page, "Exit threshold q", 0.6);
  for (const [column, exit] of (await exitSteps(page)).entries()) {
    await cell(page, column, exit).hover();
    const detail = page.locator(".detail");
    await detail.getByText("It left here.").waitFor();
    const leftByNow = async () => Number(await detail.locator("dt:text-is('left by now') + dd").innerText());
    assert.ok((await leftByNow()) >= 0.5995, `column ${column} reached q at step ${exit}`);
    if (exit === 1) continue;
    await cell(page, column, exit - 1).hover();
    await detail.getByText("It went on thinking.").waitFor();
    assert.ok((await leftByNow()) < 0.6005, `column ${column} had not reached q before`);
  }
});

test("the keyboard walks the grid and opens its cells", async () => {
  const page = await site.shared();
  const columns = (await exitSteps(page)).length;
  const at = () =>
    page.evaluate(() => [
      Number(document.activeElement.dataset.column),
      Number(document.activeElement.dataset.step),
    ]);
  const press = async (key) => {
    await page.keyboard.press(key);
    return at();
  };
  assert.equal(await page.locator('[role="gridcell"][tabindex="0"]').count(), 1, "one stop for Tab");
  await page.locator('[role="gridcell"][tabindex="0"]').focus();
  assert.deepEqual(await press("Control+Home"), [0, 1]);
  assert.deepEqual(await press("ArrowRight"), [1, 1]);
  assert.deepEqual(await press("ArrowDown"), [1, 2]);
  assert.match(await page.locator(".detail h2").innerText(), /^Move 2 .* at step 2$/);
  assert.deepEqual(await press("ArrowUp"), [1, 1]);
  assert.deepEqual(await press("ArrowLeft"), [0, 1]);
  assert.deepEqual(await press("ArrowLeft"), [0, 1]);
  assert.deepEqual(await press("End"), [columns - 1, 1]);
  assert.deepEqual(await press("PageDown"), [columns - 1, 4]);
  assert.deepEqual(await press("Control+Home"), [0, 1]);
  await page.keyboard.press("Tab");
  assert.notEqual(await page.evaluate(() => document.activeElement.getAttribute("role")), "gridcell");
});

test("cells say in words what they show", async () => {
  const page = await site.shared();
  const [exit] = await exitSteps(page);
  // Its own text is for eyes only; what is left is the cell's name.
  const words = await cell(page, 0, exit).locator(":scope > :not([aria-hidden])").innerText();
  assert.match(
    words,
    /^Move 1 \S+, step \d; [123]{3}, .*percent; (right|wrong); gate .* percent by now; left here$/,
  );
});

test("a cell's details add up", async () => {
  const page = await site.shared();
  await cell(page, 2, 1).hover();
  const detail = page.locator(".detail");
  assert.match(await detail.locator("h2").innerText(), /^Move 3/);
  const number = async (name) =>
    Number.parseFloat(await detail.locator(`dt:text-is('${name}') + dd`).innerText());
  // At the first step the gate's output, the probability of leaving and what has left by now are one number.
  const lambda = await number("gate λ");
  assert.equal(await number("leaves here p"), lambda);
  assert.equal(await number("left by now"), lambda);
  assert.ok((await number("entropy")) >= 0 && (await number("entropy")) <= Math.log(20));
  const shares = await detail.locator(".bars .mono:last-child").allInnerTexts();
  assert.equal(shares.length, 5);
  const values = shares.map((share) => Number.parseFloat(share.replace(/[<>]/, "")));
  assert.deepEqual(
    values,
    [...values].sort((a, b) => b - a),
    "best first",
  );
});

test("a long shuffle scrolls inside its own box on a narrow screen", async () => {
  const page = await site.shared();
  await page.setViewportSize({ width: 360, height: 740 });
  await slide(page, "Length", 16);
  await page.waitForFunction(
    () => JSON.parse(document.querySelector('[data-testid="answer"]').dataset.exitSteps).length === 16,
  );
  const box = page.locator(".exit-scroll");
  assert.ok(await box.evaluate((element) => element.scrollWidth > element.clientWidth));
  await page.locator('[role="gridcell"]').first().focus();
  await page.keyboard.press("End");
  await page.waitForFunction(() => document.activeElement.dataset.column === "15");
  assert.ok(await box.evaluate((element) => element.scrollLeft > 0), "it follows the focus");
  await page.keyboard.press("Home");
  await page.waitForFunction(() => document.activeElement.dataset.column === "0");
});
