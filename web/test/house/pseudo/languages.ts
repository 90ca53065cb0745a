/** A language that is nobody's, from left to right and from right to left. */
import type { Language } from "../../../src/i18n/languages";

const said = { load: async () => (await import("./words")).words, pages: async () => (await import("./words")).pages };

export const languages: Readonly<Record<string, Language>> = { "en-xa": { direction: "ltr", ...said }, "ar-xb": { direction: "rtl", ...said } };
