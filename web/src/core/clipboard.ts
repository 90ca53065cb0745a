/** Puts a text into the clipboard. Says whether it is there: browsers refuse it to pages that came unencrypted, or ask the reader. */
export async function intoClipboard(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
