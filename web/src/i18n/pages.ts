/** The language of the pages that are the console's alone. */
import { language, messages as shared } from ".";
import type { Messages } from "./en";
import { pages, type Pages } from "./en/pages";

export const messages: Messages & Pages = { ...shared, ...(language ? await language.pages() : pages) };
