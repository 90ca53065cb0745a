/** Where a stranger wanted to go: signing in leads elsewhere, and back here. No other tab's business. */
const KEY = "offtake.wanted";

export function keep(hash: string): void {
  try {
    if (hash) sessionStorage.setItem(KEY, hash);
  } catch {
    // Without storage one arrives at the first page.
  }
}

/** Goes there if the address says nothing else; true if it did. */
export function take(hash: string): boolean {
  try {
    const found = sessionStorage.getItem(KEY);
    sessionStorage.removeItem(KEY);
    if (!found || hash.replace(/^#\/?/, "") !== "") return false;
    history.replaceState(null, "", found);
    return true;
  } catch {
    return false;
  }
}
