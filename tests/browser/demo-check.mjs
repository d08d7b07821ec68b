// node demo-check.mjs URL PROMPT: asks the page as a person would, in a headless Chromium, and prints the answer with the
// step at which each token left. Exits with 1 where the page does not answer or reports an error.
import { launchChromium } from "./chromium.mjs";

/** The page loads a model and compiles its kernels, all on the CPU. */
const LIMIT_MS = 120_000;

const [url, prompt] = process.argv.slice(2);
if (prompt === undefined) {
  console.error("usage: node demo-check.mjs URL PROMPT");
  process.exit(1);
}

const browser = await launchChromium();
try {
  await check(await browser.newPage());
} catch (error) {
  console.error(`the page failed the check: ${error.message}`);
  process.exitCode = 1;
} finally {
  await browser.close();
}

async function check(page) {
  page.setDefaultTimeout(LIMIT_MS);
  const troubles = [];
  page.on("pageerror", (error) => troubles.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error") troubles.push(message.text());
  });
  page.on("requestfailed", (request) => {
    const reason = request.failure()?.errorText;
    // Aborted: the page has read all that it wanted of the file.
    if (reason !== "net::ERR_ABORTED") troubles.push(`${request.url()}: ${reason}`);
  });

  try {
    const started = Date.now();
    await page.goto(url);
    const box = page.getByRole("textbox", { name: /prompt|moves/i });
    const trouble = page.getByRole("alert").or(page.getByTestId("no-webgpu"));
    await box.or(trouble).first().waitFor();
    if (await trouble.isVisible()) throw new Error(`the page says: ${await wordsOf(page, trouble)}`);
    // The page asks its example by itself; that answer is not the one to be printed.
    await settled(page, await page.getByTestId("answer").getAttribute("data-state"));
    console.log(`The page was ready after ${seconds(started)}.`);

    await box.fill(prompt);
    await watchStates(page);
    const asked = Date.now();
    await page.getByRole("button", { name: /ask|run|answer/i }).click();
    const state = await answered(page);
    const answer = page.getByTestId("answer");
    const text = oneLine(await answer.innerText());
    if (state !== "done") {
      throw new Error(`the page says: ${await wordsOf(page, page.getByRole("alert"))}`);
    }
    const exitSteps = JSON.parse((await answer.getAttribute("data-exit-steps")) ?? "[]");
    if (!text) throw new Error("the answer has no text");
    if (exitSteps.length === 0 || !exitSteps.every((step) => Number.isInteger(step) && step >= 1)) {
      throw new Error(`the exit steps are ${JSON.stringify(exitSteps)}`);
    }
    print(text, exitSteps, seconds(asked));
  } catch (error) {
    throw troubles.length > 0 ? new Error(`${error.message}\n  ${troubles.join("\n  ")}`) : error;
  }
  if (troubles.length > 0)
    throw new Error(`it answered, but not without trouble:\n  ${troubles.join("\n  ")}`);
}

/** The text of the page's error notes, what is folded away in them too. */
async function wordsOf(page, notes) {
  await page.evaluate(() => document.querySelectorAll("details").forEach((details) => (details.open = true)));
  return oneLine((await notes.allInnerTexts()).join("\n")) || "an error without words";
}

function oneLine(text) {
  return text.trim().replaceAll(/\s*\n\s*/g, ". ");
}

function seconds(since) {
  return `${((Date.now() - since) / 1000).toFixed(1)} s`;
}

/** Waits until the page is at rest; `state` is what it is now. */
async function settled(page, state) {
  if (state !== "running") return;
  await page.waitForFunction(
    () => document.querySelector('[data-testid="answer"]').dataset.state !== "running",
  );
}

/** Notes in the page when it starts to work: an answer that was already there is not mistaken for the new one. */
async function watchStates(page) {
  await page.evaluate(() => {
    globalThis.sawRunning = false;
    const look = () => {
      const state = document.querySelector('[data-testid="answer"]')?.dataset.state;
      if (state === "running") globalThis.sawRunning = true;
    };
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, attributes: true });
  });
}

async function answered(page) {
  const state = await page.waitForFunction(() => {
    const state = document.querySelector('[data-testid="answer"]')?.dataset.state;
    return globalThis.sawRunning && (state === "done" || state === "error") && state;
  });
  return state.jsonValue();
}

function print(text, exitSteps, time) {
  console.log(`Prompt:     ${prompt}`);
  console.log(`Answer:     ${text}  (${time})`);
  console.log(`Exit steps: ${exitSteps.join(" ")}`);
  const words = prompt.trim().split(/\s+/);
  if (words.length !== exitSteps.length) return;
  const width = Math.max(...words.map((word) => word.length));
  for (const [i, word] of words.entries())
    console.log(`  ${word.padEnd(width)}  left at step ${exitSteps[i]}`);
}
