/**
 * Which exports this tab asked for and has not fetched yet: they are fetched by themselves when they are ready, if the tab is
 * looked at then. Survives a reload, and is no other tab's business.
 */
import { save } from "./save";

const KEY = "offtake.asked";
/** Fetched when they were asked for, since this page was opened. */
const fetched = new Set<string>();

function read(): string[] {
  try {
    const list: unknown = JSON.parse(sessionStorage.getItem(KEY) ?? "[]");
    return Array.isArray(list) ? list.filter((id) => typeof id === "string") : [];
  } catch {
    return [];
  }
}

function write(ids: readonly string[]): void {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(ids.slice(-20)));
  } catch {
    // Without storage nothing is fetched by itself; the button is there.
  }
}

export const asked = {
  /** Fetches what is there already, if the tab is looked at; else it is one to fetch when it is ready. True if it was fetched. */
  fetchOrAdd: (id: string, link: string | null): boolean => {
    const isFetched = link !== null && document.visibilityState === "visible";
    if (isFetched) {
      fetched.add(id);
      save(link);
    } else write([...read(), id]);
    return isFetched;
  },
  has: (id: string): boolean => read().includes(id),
  isFetched: (id: string): boolean => fetched.has(id),
  take: (id: string): boolean => {
    const ids = read();
    write(ids.filter((one) => one !== id));
    return ids.includes(id);
  },
};
