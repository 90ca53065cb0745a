/** The language of the pages. */
import { choiceOf } from "./choice";
import { en, type Messages } from "./en";
import { languages } from "./languages";

const choice = choiceOf(globalThis.navigator?.languages ?? [], languages);
const language = languages[choice.tag];

/** Everything that is said. Who uses it waits for it, so that no page begins in another language. */
export const messages: Messages = language ? await language.load() : en;
/** How numbers and dates are written. */
export const locale: string = choice.locale;
export const direction: "ltr" | "rtl" = language?.direction ?? "ltr";
