// How deep words go: the modes, what an answer took, its passes, its memory, and the curve of who is who.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { answered, complaints, slide, useSite, WHO_IS_WHO } from "./page.mjs";

const site = useSite();
const { questions } = JSON.parse(readFileSync(join(WHO_IS_WHO, "config.json"), "utf8")).looplm_task;
const PERSON = questions[0].prompt.split(" ").at(-2);
const STEPS = 4;

const WIDE = { width: 1280, height: 900 };
let shared;
/** One page for all tests, with who is who open, and a person's story told at full depth that is then verified. */
async function told() {
  if (shared !== undefined) {
    await shared.setViewportSize(WIDE);
    await shared.emulateMedia({ colorScheme: "light" });
    return shared;
  }
  shared = await site.open({ viewport: WIDE });
  await answered(shared);
  assert.equal(await shared.getByTestId("depth").count(), 0, "the shell game writes nothing");
  await shared.getByRole("button", { name: "Who is who" }).click();
  await shared.getByRole("heading", { name: "Ask who is who" }).waitFor();
  await answered(shared);
  await shared.getByRole("button", { name: questions[0].prompt }).click();
  await answered(shared);
  return shared;
}

/** Waits for the figures of an answer made in this mode. */
async function made(page, mode) {
  const figures = page.locator('[data-testid="figures"][aria-busy="false"]');
  await figures.getByText(new RegExp(`^${mode}`)).waitFor();
  await answered(page);
  return {
    text: await page.getByTestId("answer").innerText(),
    figure: async (name) =>
      Number.parseFloat(await figures.locator(`dt:text-is('${name}') + dd`).innerText()),
  };
}

async function again(page, mode) {
  await page.getByRole("radio", { name: mode }).check();
  await page.getByRole("button", { name: "Answer again" }).click();
  return made(page, mode);
}

/** The words of the answer, without the steps beside them. */
const words = (text) => text.replaceAll(/\d/g, "").replaceAll(/\s+/g, " ");

test("a verified answer is that of full depth, in fewer passes", async () => {
  const page = await told();
  await slide(page, "Guess when the gate reaches q", 0.5);
  await page.getByRole("button", { name: `Let it tell about ${PERSON}` }).click();
  await page.waitForFunction(
    (beginning) => document.querySelector('[data-testid="answer"]').textContent.startsWith(beginning),
    `about ${PERSON}`,
  );
  const verified = await made(page, "Verified early exit");
  await page.getByTestId("identical").waitFor();
  const passes = await verified.figure("passes a word");
  const rows = await verified.figure("rows a word");
  assert.ok(passes >= 1 && passes < STEPS, `${passes} passes a word`);
  assert.ok(rows >= STEPS, `${rows} rows a word: every step is computed`);
  assert.match(await page.locator(".guesses").innerText(), /guessed at step \d\s+\d+ of \d+/);

  const full = await again(page, "Full depth");
  assert.equal(words(full.text), words(verified.text));
  assert.equal(await page.getByTestId("identical").count(), 0);
  assert.equal(await full.figure("passes a word"), STEPS);
  const comparison = page.getByTestId("comparison");
  await comparison.locator('[data-mode="verified"]').getByText("same text").waitFor();
  assert.match(await comparison.locator('[data-mode="verified"]').innerText(), /\d(\.\d)?× full depth/);
  await comparison.getByText("not measured with this prompt").waitFor();
});

test("its passes are drawn, said, and listed", async () => {
  const page = await told();
  await again(page, "Verified early exit");
  const timeline = page.getByTestId("timeline");
  const [, after, took, full] = /The other (\d+) took (\d+) passes; full depth takes (\d+)/
    .exec(await timeline.getByTestId("timeline-words").innerText())
    .map(Number);
  assert.equal(full, after * STEPS);
  assert.ok(took < full);
  const bars = await timeline.locator(".timeline-bar:not(.taken-back)").count();
  assert.equal(bars, full, "a bar for each step of each word");
  assert.equal(await timeline.locator(".timeline-name:not(.back)").count(), after);
  assert.ok((await timeline.locator(".timeline-bar.early").count()) > 0);
  await timeline.getByText("As a table").click();
  await timeline.locator("tbody tr").first().waitFor();
  assert.equal(await timeline.locator("tbody tr").count(), took);
  assert.match(await timeline.locator("tbody tr").first().innerText(), /^1\s+step 1 of “/);
  await timeline.getByText("As a table").click();
});

test("a long timeline scrolls inside its card, with the keyboard too", async () => {
  const page = await told();
  await page.setViewportSize({ width: 320, height: 700 });
  const box = page.getByRole("group", { name: /^Timeline/ });
  assert.ok(await box.evaluate((element) => element.scrollWidth > element.clientWidth));
  await box.focus();
  for (let i = 0; i < 5; i++) await page.keyboard.press("ArrowRight");
  await page.waitForFunction(() => document.querySelector(".timeline-scroll").scrollLeft > 0);
});

test("leaving early computes fewer rows and keeps less, and memory is a choice only there", async () => {
  const page = await told();
  const memory = page.getByTestId("memory");
  const bytes = async () => Number.parseFloat(await memory.getByTestId("kv-bytes").innerText());
  await page.getByRole("radio", { name: "Verified early exit" }).check();
  assert.ok(await memory.getByRole("radio", { name: "Only the last step" }).isDisabled());
  await memory.getByText(/^A guess is checked/).waitFor();
  const whole = await bytes();
  const early = await again(page, "Leave early");
  const rows = await early.figure("rows a word");
  assert.ok(rows < STEPS);
  assert.ok((await bytes()) < whole);
  await memory.getByRole("radio", { name: "Only the last step" }).check();
  const last = await again(page, "Leave early");
  // All steps but those that nobody needs any more when the answer ends.
  assert.ok((await last.figure("rows a word")) > rows);
  assert.ok((await bytes()) <= whole / 3);
  await memory.getByText("known to break models").waitFor();
  await memory.getByRole("radio", { name: "The steps it took" }).check();
});

test("another rule is set in its own words", async () => {
  const page = await told();
  await page.getByRole("radio", { name: "Leave early" }).check();
  await page.getByText("Other rules").click();
  await page.getByLabel("Exit rule").selectOption("step");
  await page.getByRole("spinbutton", { name: "step" }).fill("2");
  await page.getByRole("spinbutton", { name: "step" }).press("Tab");
  const answer = await again(page, "Leave early");
  assert.equal(await answer.figure("rows a word"), 2);
  assert.match(await page.getByTestId("figures").innerText(), /Leave early, always step 2/);
  const exits = JSON.parse(await page.getByTestId("answer").getAttribute("data-exit-steps"));
  assert.deepEqual(new Set(exits.slice(-5)), new Set([2]));
  await page.getByRole("spinbutton", { name: "step" }).fill("99");
  await page.getByRole("spinbutton", { name: "step" }).press("Tab");
  assert.equal(await page.getByRole("spinbutton", { name: "step" }).inputValue(), String(STEPS));
  await page.getByLabel("Exit rule").selectOption("gate");
});

test("all three are measured on a button, and the measurement can be stopped", async () => {
  const page = await told();
  await again(page, "Verified early exit");
  const comparison = page.getByTestId("comparison");
  await comparison.getByRole("button", { name: "Measure all three" }).click();
  await comparison.getByRole("progressbar").waitFor();
  await comparison.getByRole("button", { name: "Stop" }).click();
  await comparison.getByRole("button", { name: "Measure all three" }).click();
  await comparison.getByRole("progressbar").waitFor();
  await comparison.getByRole("button", { name: "Measure all three" }).waitFor();
  assert.equal(await comparison.locator("[data-mode]").count(), 3);
  await comparison.locator('[data-mode="verified"]').getByText("same text").waitFor();
});

test("the curve is measured once, and follows q", async () => {
  const page = await told();
  const curve = page.getByTestId("curve");
  await curve.getByRole("button", { name: "Measure the curve" }).click();
  await curve.getByRole("button", { name: "Measure it again" }).waitFor();
  const number = async (name) =>
    Number.parseFloat(await curve.locator(`dt:text-is('${name}') + dd`).innerText());
  assert.equal(await number("questions"), questions.length + 60);
  await slide(page, "Threshold q on the curve", 1);
  assert.equal(await number("mean steps of a name"), STEPS);
  assert.equal(await number("names right"), await number("all steps (dashed)"));
  await slide(page, "Threshold q on the curve", 0.05);
  assert.ok((await number("mean steps of a name")) < STEPS);
  await curve.getByText(/^At q = 0\.05 a name leaves after/).waitFor();
});

for (const colorScheme of ["light", "dark"]) {
  for (const mode of ["Verified early exit", "Leave early"]) {
    test(`has no accessibility faults that axe can find, ${mode}, ${colorScheme}`, async () => {
      const page = await told();
      await page.emulateMedia({ colorScheme });
      await page.getByRole("radio", { name: mode }).check();
      assert.deepEqual(await complaints(page), []);
    });
  }
}

for (const width of [320, 390, 768, 1280, 2000]) {
  test(`fits a screen ${width} pixels wide`, async () => {
    const page = await told();
    await page.setViewportSize({ width, height: 800 });
    const scrollWidth = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(scrollWidth <= width, `the page is ${scrollWidth} pixels wide`);
  });
}
