/** A text as a POSIX shell takes it for one word. */
export function quoted(text: string): string {
  return /^[\w.,:=@%+/-]+$/.test(text) && !text.startsWith("-") ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
