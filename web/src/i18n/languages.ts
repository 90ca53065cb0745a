/** Languages beside English. One more is a folder of the shape of `en`, and a line here; it is loaded when somebody wants it. */
import type { Messages } from "./en";

export type Language = { readonly direction: "ltr" | "rtl"; readonly load: () => Promise<Messages> };

/** By tag, in small letters: a language (`de`), or one of its forms (`pt-br`). */
export const languages: Readonly<Record<string, Language>> = {};
