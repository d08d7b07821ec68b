// Wide and narrow, light and dark, for eyes and for assistive technology.
import assert from "node:assert/strict";
import { test } from "node:test";
import { complaints, slide, useSite } from "./page.mjs";

const site = useSite();

for (const colorScheme of ["light", "dark"]) {
  test(`has no accessibility faults that axe can find, ${colorScheme}`, async () => {
    const page = await site.shared();
    await page.emulateMedia({ colorScheme });
    // Ghosts and fills of every strength at once.
    await slide(page, "Exit threshold q", 0.5);
    assert.deepEqual(await complaints(page), []);
    const paper = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    assert.equal(paper, colorScheme === "light" ? "rgb(251, 250, 248)" : "rgb(22, 21, 19)");
  });
}

for (const width of [320, 360, 768, 1440, 2560]) {
  test(`fits a screen ${width} pixels wide`, async () => {
    const page = await site.shared();
    await page.setViewportSize({ width, height: 800 });
    const { scrollWidth, used } = await page.evaluate(() => ({
      scrollWidth: document.documentElement.scrollWidth,
      used: document.querySelector("main").getBoundingClientRect().width,
    }));
    assert.ok(scrollWidth <= width, `the page is ${scrollWidth} pixels wide`);
    assert.ok(used >= Math.min(width, 2400) * 0.9, `only ${used} pixels are used`);
  });
}
