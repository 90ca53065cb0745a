/** What is promised of every screen: in the light and in the dark, on the smallest of screens and magnified. */
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { House } from "./house";
import { furnish, reached, screens } from "./screens";

const looks = [
  { name: "light", colorScheme: "light", width: 1360, height: 860 },
  { name: "dark", colorScheme: "dark", width: 1360, height: 860 },
  { name: "small", colorScheme: "light", width: 320, height: 640 },
  // What zooming to 200 % makes of the screen.
  { name: "zoomed", colorScheme: "dark", width: 680, height: 430 },
] as const;

let house: House;
beforeAll(async () => {
  house = await House.open();
  await furnish(house);
});
afterAll(() => house?.close());

let open: Page | undefined;
afterEach(() => open?.context().close());

test.each(screens.map((screen) => [screen.name, screen] as const))("axe has nothing against %s", { timeout: 90_000 }, async (_, screen) => {
  const { page } = await reached(house, screen, {});
  open = page;
  for (const { name, colorScheme, width, height } of looks) {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize({ width, height });
    expect(await house.violations(page), name).toEqual([]);
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    expect(overflow, `nothing scrolls sideways but tables: ${name}`).toBeLessThanOrEqual(0);
  }
});
