// The model that knows who is who: changing to it, asking it, and what the page makes of its answers.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { answered, cell, complaints, exitSteps, slide, useSite, WHO_IS_WHO } from "./page.mjs";

const site = useSite();
const { names, facts, questions } = JSON.parse(
  readFileSync(join(WHO_IS_WHO, "config.json"), "utf8"),
).looplm_task;

/** Who is, for example, the boss of the friend of alice, by the facts of the model's config. */
function truth(prompt) {
  const words = prompt.split(" ");
  const relations = words.filter((_, i) => words[i - 1] === "the").reverse();
  return relations.reduce((name, relation) => names[facts[relation][names.indexOf(name)]], words.at(-2));
}

const WIDE = { width: 1280, height: 900 };
let shared;
/** One page for all tests, with this model open and asked this. */
async function asked(prompt) {
  if (shared === undefined) {
    shared = await site.open({ viewport: WIDE });
    await answered(shared);
    await shared.getByRole("button", { name: "Who is who" }).click();
    await shared.getByRole("heading", { name: "Ask who is who" }).waitFor();
    await answered(shared);
  }
  await shared.setViewportSize(WIDE);
  await shared.emulateMedia({ colorScheme: "light" });
  await slide(shared, "Exit threshold q", 0.8);
  await shared.getByRole("button", { name: prompt }).click();
  await spoken(shared, prompt);
  return shared;
}

/** The words of the answer, without the marks beside them. */
function sentence(page) {
  return page
    .getByTestId("answer")
    .evaluate((answer) =>
      [...answer.querySelectorAll(".word")]
        .map((word) => (word.querySelector(".said-token") ?? word).firstChild.textContent.trim())
        .join(" "),
    );
}

/** Waits until a sentence that begins like this is whole. */
async function spoken(page, beginning) {
  await page.waitForFunction((expected) => {
    const { dataset, textContent } = document.querySelector('[data-testid="answer"]');
    // A step stands beside each word that was found.
    return dataset.state === "done" && textContent.replaceAll(/\d/g, "").startsWith(expected);
  }, beginning);
  await answered(page);
}

test("answers its samples, and shows every word of them", async () => {
  const [{ prompt, answer }] = questions;
  assert.equal(truth(prompt), answer, "this test reads the facts as the task means them");
  const page = await asked(prompt);
  // The shipped model knows its facts; one of them at least.
  assert.equal(await sentence(page), `${prompt} ${answer} .`);
  assert.equal(await page.getByTestId("answer").getAttribute("data-answer"), answer);
  const words = `${prompt} ${answer} .`.split(" ");
  assert.deepEqual(await page.locator(".column-head .token").allInnerTexts(), words);
  const exits = await exitSteps(page);
  for (const [i, word] of words.entries()) {
    const found = ["of", "is", answer, "."].includes(word);
    assert.ok(found ? exits[i] >= 1 && exits[i] <= 4 : exits[i] === 0, `${word} left at ${exits[i]}`);
  }
  assert.equal(await page.getByRole("button", { name: "Who is who" }).getAttribute("aria-pressed"), "true");
});

test("a question of one's own is put together with the keyboard", async () => {
  const page = await asked(questions[0].prompt);
  await page.getByRole("radio", { name: "1 hop" }).focus();
  await page.keyboard.press("ArrowRight");
  const [one, two] = Object.keys(facts);
  await page.getByLabel("Relation 1 of the sentence").selectOption(two);
  await page.getByLabel("Relation 2 of the sentence").selectOption(one);
  await page.getByLabel("Person").selectOption(names[5]);
  await page.getByRole("button", { name: "Ask", exact: true }).focus();
  await page.keyboard.press("Enter");
  const prompt = `the ${two} of the ${one} of ${names[5]} is`;
  await spoken(page, prompt);
  const said = await page.getByTestId("answer").getAttribute("data-answer");
  const verdict = page.locator(".who-verdict");
  assert.match(await verdict.innerText(), new RegExp(`’s ${two} is ${truth(prompt)}\\.$`));
  const right = said === truth(prompt);
  await verdict.getByText(`It says ${said}, which is ${right ? "right" : "wrong"}.`).waitFor();
  assert.equal(await page.locator(".by-step li").count(), 4);
  await page.locator(".by-step .left-here").getByText(said, { exact: true }).waitFor();
  // The exit view opens at the answer.
  assert.match(await page.locator(".detail h2").innerText(), new RegExp(` ${said} at step \\d$`));
});

test("a cell says in words that its word was given", async () => {
  const page = await asked(questions[0].prompt);
  const words = await cell(page, 0, 1).locator(":scope > :not([aria-hidden])").innerText();
  assert.equal(words, "Prompt token 1 the; given, not guessed");
});

test("tells of a person, and the facts it tells are counted", async () => {
  const page = await asked(questions[0].prompt);
  const person = questions[0].prompt.split(" ").at(-2);
  await page.getByRole("button", { name: `Let it tell about ${person}` }).click();
  await spoken(page, `about ${person} :`);
  const told = [...(await sentence(page)).matchAll(/the (\S+) is (\S+)/g)];
  assert.ok(told.length >= 1);
  const right = told.filter(([, relation, name]) => truth(`the ${relation} of ${person} is`) === name).length;
  await page.getByText(new RegExp(`^${right} of the ${told.length} facts? it told`)).waitFor();
});

test("compares words of the pattern with names, and follows q", async () => {
  const page = await asked(questions.at(-1).prompt);
  const means = page.getByTestId("means");
  await means.getByText(/^Words of the pattern .* on average/).waitFor();
  await means.getByRole("rowheader", { name: /^words of the pattern \d+$/ }).waitFor();
  const mean = async () => Number(await means.locator("tbody tr").first().locator("td").last().innerText());
  await slide(page, "Exit threshold q", 1);
  assert.equal(await mean(), 4);
  await slide(page, "Exit threshold q", 0.05);
  assert.ok((await mean()) < 4);
});

for (const colorScheme of ["light", "dark"]) {
  test(`has no accessibility faults that axe can find, ${colorScheme}`, async () => {
    const page = await asked(questions.at(-1).prompt);
    await page.emulateMedia({ colorScheme });
    await slide(page, "Exit threshold q", 0.5);
    assert.deepEqual(await complaints(page), []);
  });
}

for (const width of [320, 390, 768, 1280, 2560]) {
  test(`fits a screen ${width} pixels wide`, async () => {
    const page = await asked(questions.at(-1).prompt);
    await page.setViewportSize({ width, height: 800 });
    const scrollWidth = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(scrollWidth <= width, `the page is ${scrollWidth} pixels wide`);
  });
}

// Last: it leaves the other model open.
test("the shell game is one press away", async () => {
  const page = await asked(questions[0].prompt);
  await page.getByRole("button", { name: "The shell game" }).click();
  await page.getByRole("textbox", { name: /moves/i }).waitFor();
  await answered(page);
  assert.equal(await page.getByTestId("model-name").innerText(), "shell-game");
});
