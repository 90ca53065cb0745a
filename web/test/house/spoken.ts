/**
 * What somebody hears who goes through a page by keyboard: what has the focus, as the browser's own accessibility tree has it, and
 * what live regions say. A region that comes with its words is silent, as it is for many readers; an alert is not.
 */
import type { CDPSession, Page } from "playwright-core";

type Said = { readonly region: number; readonly text: string };

/** Runs in the page before anything else does. */
export function watchSpeech(): void {
  const said: Said[] = [];
  const known = new Map<Element, string>();
  const say = (region: Element, text: string) => text && said.push({ region: [...known.keys()].indexOf(region), text });
  const isUrgent = (element: Element) => element.getAttribute("role") === "alert" || element.getAttribute("aria-live") === "assertive";
  const isLive = (element: Element) => isUrgent(element) || element.matches("[role=status], [role=log], [aria-live=polite], output");
  const textOf = (node: Node): string => {
    if (node instanceof Text) return node.data;
    if (node instanceof Element && (!node.checkVisibility() || node.getAttribute("aria-hidden") === "true" || node.matches("style, button, input, select"))) return "";
    const root = node instanceof Element && node.shadowRoot ? node.shadowRoot : node;
    return [...root.childNodes].map(textOf).join(" ");
  };
  const words = (element: Element) => textOf(element).replace(/\s+/g, " ").trim();
  const regionOf = (node: Node | null): Element | null => {
    if (!node || (node instanceof Element && isLive(node))) return node as Element | null;
    return regionOf(node.parentNode ?? (node instanceof ShadowRoot ? node.host : null));
  };
  const within = (node: Node): Element[] => {
    const inside = [...node.childNodes].flatMap(within);
    const shaded = node instanceof Element && node.shadowRoot ? within(node.shadowRoot) : [];
    return node instanceof Element && isLive(node) ? [node, ...inside, ...shaded] : [...inside, ...shaded];
  };
  const heard = (records: MutationRecord[]): void => {
    for (const region of records.flatMap((record) => [...record.addedNodes].flatMap(within))) {
      if (known.has(region)) continue;
      const text = words(region);
      known.set(region, text);
      if (isUrgent(region)) say(region, text);
    }
    for (const region of new Set(records.map((record) => regionOf(record.target)))) {
      if (!region) continue;
      const text = words(region);
      if (known.get(region) === text) continue;
      known.set(region, text);
      say(region, text);
    }
  };
  const watch = (root: Node) => new MutationObserver(heard).observe(root, { subtree: true, childList: true, characterData: true });
  const { attachShadow } = Element.prototype;
  Element.prototype.attachShadow = function (options) {
    const root = attachShadow.call(this, options);
    watch(root);
    return root;
  };
  watch(document);
  document.addEventListener("DOMContentLoaded", () => within(document).forEach((region) => known.set(region, words(region))));
  Object.assign(globalThis, { said });
}

type Value = { readonly value?: unknown };
type AxNode = {
  readonly backendDOMNodeId?: number;
  readonly ignored: boolean;
  readonly role?: Value;
  readonly name?: Value;
  readonly description?: Value;
  readonly value?: Value;
  readonly properties?: readonly { readonly name: string; readonly value: Value }[];
};

/** Entering one of these is told. */
const PLACES = ["banner", "navigation", "main", "complementary", "search", "region", "form", "dialog", "alertdialog", "table", "list", "group"];
const FOCUSED = `(() => {
  let element = document.activeElement;
  while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
  return element;
})()`;
/** A way along many stops is told by its ends. */
const [FIRST, LAST] = [6, 2];

export class Reader {
  readonly #lines: string[] = [];
  #places: AxNode[] = [];

  private constructor(private readonly page: Page, private readonly cdp: CDPSession) {}

  static async on(page: Page): Promise<Reader> {
    const cdp = await page.context().newCDPSession(page);
    await cdp.send("Accessibility.enable");
    return new Reader(page, cdp);
  }

  get transcript(): string {
    return `${this.#lines.join("\n")}\n`;
  }

  chapter(title: string): void {
    this.#lines.push(...(this.#lines.length > 0 ? [""] : []), `# ${title}`);
  }

  /** Presses a key; what it leads to is told once `done` is so. */
  async press(key: string, done?: () => Promise<unknown>): Promise<void> {
    await this.page.keyboard.press(key);
    await done?.();
    await this.#tell(key);
  }

  async type(text: string): Promise<void> {
    await this.page.keyboard.type(text);
    await this.#tell(`types ${text}`);
  }

  /** Presses `key` until what has the focus is called so. */
  async until(key: string, name: RegExp): Promise<void> {
    const stops: string[] = [];
    for (let pressed = 0; pressed < 300; pressed += 1) {
      await this.page.keyboard.press(key);
      const { line, node } = await this.#focus();
      stops.push(`[${key}] ${line}`);
      if (!name.test(String(node.name?.value ?? ""))) continue;
      const more = stops.length - FIRST - LAST;
      this.#lines.push(...(more > 1 ? [...stops.slice(0, FIRST), `… ${more} more`, ...stops.slice(-LAST)] : stops));
      return this.#listen();
    }
    throw new Error(`${key} never leads to ${name}: ${stops.join("\n")}`);
  }

  async #tell(what: string): Promise<void> {
    const { line } = await this.#focus();
    this.#lines.push(`[${what}] ${line}`);
    await this.#listen();
  }

  async #listen(): Promise<void> {
    const said = await this.page.evaluate(() => (globalThis as unknown as { said: Said[] }).said.splice(0));
    // Of what a region says while a key has its effect, the last is what is heard out.
    const last = said.filter((one, index) => !said.slice(index + 1).some((later) => later.region === one.region));
    this.#lines.push(...last.map(({ text }) => `    “${steady(text)}”`));
  }

  async #focus(): Promise<{ line: string; node: AxNode }> {
    const { result } = await this.cdp.send("Runtime.evaluate", { expression: FOCUSED });
    const answer = await this.cdp.send("Accessibility.getAXNodeAndAncestors", { objectId: result.objectId! });
    const [node, ...above] = answer.nodes as unknown as AxNode[];
    const places = above.filter((one) => !one.ignored && PLACES.includes(String(one.role?.value))).reverse();
    const entered = places.filter((one) => !this.#places.some((known) => known.backendDOMNodeId === one.backendDOMNodeId));
    this.#places = places;
    const line = [...entered.map((one) => `${named(one)}:`), named(node!), ...states(node!)].join(" ");
    return { line: steady(line), node: node! };
  }
}

function named(node: AxNode): string {
  if (["none", "RootWebArea"].includes(String(node.role?.value))) return "nothing";
  const name = String(node.name?.value ?? "").replace(/\s+/g, " ").trim();
  return name === "" ? String(node.role?.value) : `${node.role?.value} “${name.slice(0, 120)}”`;
}

function states(node: AxNode): string[] {
  const has = new Map(node.properties?.map(({ name, value }) => [name, value.value]));
  const value = String(node.value?.value ?? "");
  const description = String(node.description?.value ?? "");
  const said = [value && `= ${value}`];
  const checked = String(has.get("checked") ?? "");
  said.push({ true: "checked", false: "not checked", mixed: "partly checked" }[checked] ?? "");
  if (has.has("expanded")) said.push(has.get("expanded") ? "expanded" : "collapsed");
  if (has.has("pressed")) said.push(String(has.get("pressed")) === "true" ? "pressed" : "not pressed");
  if (has.get("disabled") === true) said.push("unavailable");
  if (has.get("required") === true) said.push("required");
  if (has.get("invalid") !== undefined && has.get("invalid") !== "false") said.push("not valid");
  said.push(description && `(${description})`);
  return said.filter(Boolean);
}

/** Without what is another every time. */
function steady(text: string): string {
  return text
    .replace(/[A-Z][a-z]{2} \d{1,2}, \d{4}, \d{1,2}:\d{2}:\d{2}\s[AP]M/g, "‹moment›")
    .replace(/\b[0-9a-f]{16,32}\b/g, "‹id›")
    .replace(/\b(job|art|otp)_[0-9a-z]+\b/g, "‹id›")
    .replace(/\b\d{4}-\d{2}-\d{2}\b/g, "‹date›")
    .replace(/\b[\d.,]+ (byte|kB|MB|ms|sec|min)\b/g, "‹amount›");
}
