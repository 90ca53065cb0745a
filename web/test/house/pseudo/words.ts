/** English within brackets, and longer by two fifths. */
import { en, type Messages } from "../../../src/i18n/en";

const longer = (text: string) => `⟦${text}${" ~~~~".repeat(Math.ceil(text.length * 0.08))}⟧`;

function bracketed(said: unknown): unknown {
  if (typeof said === "string") return longer(said);
  if (typeof said === "function") return (...given: unknown[]) => longer(String((said as (...given: unknown[]) => string)(...given)));
  return Object.fromEntries(Object.entries(said as object).map(([name, value]) => [name, bracketed(value)]));
}

export const words = bracketed(en) as Messages;
