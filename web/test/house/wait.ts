/** Waiting for what comes about in its own time. */
const PAUSE_MS = 50;
const LIMIT_MS = 60_000;

/** What `look` finds, as soon as it finds something. */
export async function eventually<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  const end = Date.now() + LIMIT_MS;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > end) throw new Error(`there never was ${what}`);
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}
