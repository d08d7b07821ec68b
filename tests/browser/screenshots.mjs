// node screenshots.mjs URL FOLDER: takes the README's pictures of a served page (`cargo xtask demo --no-open` prints its
// URL) in a headless Chromium, with the shipped model's own answers, and of a whole run of the first preset.
import { join } from "node:path";
import { launchChromium } from "./chromium.mjs";

const [url, folder] = process.argv.slice(2);
if (folder === undefined) {
  console.error("usage: node screenshots.mjs URL FOLDER");
  process.exit(1);
}

const PICTURES = [
  { name: "page-light", width: 1440, height: 1080, colorScheme: "light" },
  { name: "page-dark", width: 1440, height: 1080, colorScheme: "dark" },
  { name: "page-narrow", width: 360, height: 1860, colorScheme: "light" },
  { name: "page-wide", width: 2560, height: 1240, colorScheme: "light" },
];

const browser = await launchChromium();
try {
  for (const { name, width, height, colorScheme } of PICTURES) {
    // Without motion the cups stand where the shuffle ends.
    const page = await browser.newPage({
      viewport: { width, height },
      colorScheme,
      reducedMotion: "reduce",
    });
    await page.goto(url);
    await page.locator('[data-testid="answer"][data-state="done"]').waitFor({ timeout: 120_000 });
    await page.screenshot({ path: join(folder, `${name}.png`) });
    if (name === "page-light") {
      await page.locator(".exit-view").screenshot({ path: join(folder, "exit-view.png") });
      await page.getByRole("button", { name: "Who is who" }).click();
      await page
        .locator('.questions [data-testid="answer"][data-state="done"]')
        .waitFor({ timeout: 120_000 });
      await page.getByRole("button", { name: "Ask all the samples" }).click();
      await page.getByText(/so far: 6 sentences/).waitFor({ timeout: 120_000 });
      await page.locator('[data-testid="answer"][data-state="done"]').waitFor({ timeout: 120_000 });
      await page.screenshot({ path: join(folder, "who-is-who.png"), fullPage: true });
      // A longer answer, whose words overlap.
      await page.getByRole("button", { name: "Let it tell about" }).click();
      await page.locator('.timeline [data-testid="timeline-words"]').waitFor({ timeout: 120_000 });
      await page.getByRole("button", { name: "Measure all three" }).click();
      await page.getByRole("progressbar", { name: "Answers measured" }).waitFor();
      await page.getByRole("button", { name: "Measure all three" }).waitFor({ timeout: 120_000 });
      await page.locator(".area-depth").screenshot({ path: join(folder, "depth.png") });
      await page.locator(".area-cost").screenshot({ path: join(folder, "depth-cost.png") });
    }
    await page.close();
  }
  const page = await browser.newPage({
    viewport: { width: 1440, height: 1180 },
    colorScheme: "light",
    reducedMotion: "reduce",
  });
  await page.goto(`${url}#models`);
  await page.getByText("most read at once").waitFor();
  await page.locator(".held summary").first().click();
  await page.screenshot({ path: join(folder, "models.png") });
  await page.goto(`${url}#train`);
  await page.getByTestId("train").click();
  await page.locator('[data-testid="run-status"][data-status="done"]').waitFor({ timeout: 900_000 });
  await page.screenshot({ path: join(folder, "train.png") });
} finally {
  await browser.close();
}
