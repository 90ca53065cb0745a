/** What pages say that are the console's alone, in English: the elements for other pages do without. */
import { live } from "./live";
import { sending } from "./sending";

const file = {
  delete: "Delete file…",
  deleteTitle: (name: string) => `Delete the file of “${name}”?`,
  deleteDetail: "Nobody can fetch it here any more. What was asked for stays listed, and can be run again.",
  deleteAct: "Delete file",
};

export const pages = { file, live, sending };
export type Pages = typeof pages;
