/** What pages say that are the console's alone, in English: the elements for other pages do without. */
import { live } from "./live";
import { sending } from "./sending";

export const pages = { live, sending };
export type Pages = typeof pages;
