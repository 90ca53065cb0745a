/** What a page showed of exports: every state that was drawn, in the order it was there. */
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
  const roots = new Set<ShadowRoot>();
  const inside = (node: Node): Node[] => [node, ...[...((node as Element).shadowRoot ?? node).childNodes].flatMap(inside)];
  const look = (): void => {
    for (const item of [...roots].flatMap((root) => [...root.querySelectorAll<HTMLElement>("li[data-job]")])) {
      const parts = inside(item);
      const bar = parts.find((part) => part instanceof HTMLProgressElement);
      const [job, status] = [item.dataset["job"]!, item.dataset["status"]!];
      const words = parts.filter((part) => part instanceof Text && !part.parentElement?.matches("style"));
      const text = words.map((part) => part.textContent).join(" ").replace(/\s+/g, " ").trim();
      const percent = bar ? bar.value : null;
      const now = `${status} ${percent} ${text}`;
      if (last.get(job) === now) continue;
      last.set(job, now);
      kept.push({ job, status, percent, text, at: Date.now() });
    }
  };
  let isDue = false;
  const changed = (): void => {
    if (isDue) return;
    isDue = true;
    requestAnimationFrame(() => {
      isDue = false;
      look();
    });
  };
  const { attachShadow } = Element.prototype;
  Element.prototype.attachShadow = function (options) {
    const root = attachShadow.call(this, options);
    roots.add(root);
    new MutationObserver(changed).observe(root, { subtree: true, childList: true, characterData: true, attributes: true });
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
