/** On paper: everything that is on the screen and nothing that is there to be pressed, black on white, with nothing cut off. */
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { House } from "./house";
import { furnish, reached, screens } from "./screens";

/** What of a sheet of A4 on its side is printed on, in the pixels that a browser makes of it. */
const SHEET = { width: 1031, height: 702 };
const printed = screens.filter(({ name }) => ["traces", "a selection", "a trace", "downloads", "a receipt"].includes(name));

let house: House;
beforeAll(async () => {
  house = await House.open();
  await furnish(house);
});
afterAll(() => house?.close());

let open: Page | undefined;
afterEach(() => open?.context().close());

/** What is wrong with it on paper. */
function faults(): string[] {
  const found: string[] = [];
  const walk = (element: Element, path: string): void => {
    if (!element.checkVisibility()) return;
    const here = `${path} ${element.localName}`;
    const style = getComputedStyle(element);
    const isCut = style.overflowX !== "visible" && (element.scrollWidth > element.clientWidth + 1 || element.scrollHeight > element.clientHeight + 1);
    // What is there for the ears alone is cut on purpose.
    if (isCut && style.clipPath === "none" && style.display !== "inline") found.push(`cut off: ${here}`);
    const box = element.getBoundingClientRect();
    if (box.right > innerWidth + 1 && style.position !== "absolute") found.push(`beyond the edge: ${here}`);
    if (element.matches("input, select, textarea") || (element.matches("button") && !element.closest("thead, td, ul"))) found.push(`to be pressed: ${here}`);
    if (element.matches("thead") && style.display !== "table-header-group") found.push(`not repeated: ${here}`);
    if (element.matches("th") && style.position !== "static") found.push(`stays on one page: ${here}`);
    for (const child of [...(element.shadowRoot?.children ?? []), ...element.children]) walk(child, here);
  };
  walk(document.body, "");
  return [...new Set(found)];
}

test.each(printed.map((screen) => [screen.name, screen] as const))("%s", async (name, screen) => {
  const { page } = await reached(house, screen, { colorScheme: "dark", viewport: SHEET });
  open = page;
  await page.emulateMedia({ media: "print", colorScheme: "dark" });
  expect(await page.evaluate(faults)).toEqual([]);
  expect(await page.evaluate(() => [getComputedStyle(document.body).backgroundColor, getComputedStyle(document.querySelector("offtake-console")!).color])).toEqual(["rgb(255, 255, 255)", "rgb(22, 32, 44)"]);
  const pdf = (await page.pdf({ preferCSSPageSize: true })).toString("latin1");
  const sheets = pdf.match(/\/Type \/Page\b/g)!.length;
  if (["traces", "a selection"].includes(name)) expect(sheets, "fifty rows take more than one").toBeGreaterThan(1);
  expect(sheets).toBeLessThan(12);
});
