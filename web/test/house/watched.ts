/** What a page showed of exports, all of it: every state between two drawings, in the order it was there. */
import type { Page } from "playwright-core";

export type Shown = {
  readonly job: string;
  readonly status: string;
  /** What the bar says. */
  readonly percent: number | null;
  readonly text: string;
  /** By the clock of the page. */
  readonly at: number;
};

/** Runs in the page before anything else does. */
export function watchExports(): void {
  const kept: Shown[] = [];
  const last = new Map<string, string>();
  const look = (root: ShadowRoot): void => {
    for (const item of root.querySelectorAll<HTMLElement>("li[data-job]")) {
      const bar = item.querySelector("progress");
      const job = item.dataset["job"]!;
      const status = item.dataset["status"]!;
      const text = item.textContent!.replace(/\s+/g, " ").trim();
      const percent = bar ? bar.value : null;
      const now = `${status} ${percent} ${text}`;
      if (last.get(job) === now) continue;
      last.set(job, now);
      kept.push({ job, status, percent, text, at: Date.now() });
    }
  };
  const { attachShadow } = Element.prototype;
  Element.prototype.attachShadow = function (options) {
    const root = attachShadow.call(this, options);
    new MutationObserver(() => look(root)).observe(root, { subtree: true, childList: true, characterData: true, attributes: true });
    return root;
  };
  Object.assign(globalThis, { shownExports: kept });
}

export const shown = (page: Page): Promise<Shown[]> => page.evaluate(() => (globalThis as unknown as { shownExports: Shown[] }).shownExports);

/** Waits until the page has shown one of its exports like this. */
export async function untilShown(page: Page, is: { percent: number }): Promise<void> {
  await page.waitForFunction(
    (percent) => (globalThis as unknown as { shownExports: Shown[] }).shownExports.some((one) => (one.percent ?? 0) >= percent),
    is.percent,
    { timeout: 60_000, polling: 20 },
  );
}
