/** English within brackets, and longer by two fifths. */
import { en, type Messages } from "../../../src/i18n/en";
import { pages as plain, type Pages } from "../../../src/i18n/en/pages";

const longer = (text: string) => `⟦${text}${" ~~~~".repeat(Math.ceil(text.length * 0.08))}⟧`;

function bracketed(said: unknown): unknown {
  if (typeof said === "string") return longer(said);
  if (typeof said === "function") return (...given: unknown[]) => longer(String((said as (...given: unknown[]) => string)(...given)));
  if (Array.isArray(said)) return said.map(bracketed);
  if (typeof said !== "object" || said === null) return said;
  return Object.fromEntries(Object.entries(said).map(([name, value]) => [name, bracketed(value)]));
}

export const words = bracketed(en) as Messages;
export const pages = bracketed(plain) as Pages;
