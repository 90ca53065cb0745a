/** Which language somebody gets: the first of those they want that there is. */
export type Choice = {
  /** How numbers and dates are written: as it was asked for, with its region. */
  readonly locale: string;
  /** Of the dictionary; English needs none. */
  readonly tag: string;
};

export function choiceOf(wanted: readonly string[], known: Readonly<Record<string, unknown>>): Choice {
  for (const locale of wanted) {
    const form = locale.toLowerCase();
    const language = form.split("-", 1)[0]!;
    const tag = [form, language].find((one) => one === "en" || Object.hasOwn(known, one));
    if (tag !== undefined) return { locale, tag };
  }
  return { locale: "en", tag: "en" };
}
