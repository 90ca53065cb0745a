/** A language that is nobody's, from left to right and from right to left. */
import type { Language } from "../../../src/i18n/languages";

const load = async () => (await import("./words")).words;

export const languages: Readonly<Record<string, Language>> = { "en-xa": { direction: "ltr", load }, "ar-xb": { direction: "rtl", load } };
