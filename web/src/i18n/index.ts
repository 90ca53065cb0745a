/** The language of the pages. */
import { en, type Messages } from "./en";

export const messages: Messages = en;
/** Words are English; numbers and dates are written as the reader's English-speaking region has them. */
export const locale: string = (globalThis.navigator?.languages ?? []).find((tag) => tag.toLowerCase().startsWith("en")) ?? "en";
