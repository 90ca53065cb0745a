/** Which language somebody gets. */
import { expect, test } from "vitest";
import { choiceOf } from "../src/i18n/choice";

const known = { de: 1, "pt-br": 1 };

test.each([
  [["en-GB", "de"], "en-GB", "en"],
  [["de-AT", "en"], "de-AT", "de"],
  [["fr", "de"], "de", "de"],
  [["PT-BR", "de"], "PT-BR", "pt-br"],
  [["pt", "fr"], "en", "en"],
  [["constructor"], "en", "en"],
  [[], "en", "en"],
])("of %s it is %s by %s", (wanted, locale, tag) => {
  expect(choiceOf(wanted, known)).toEqual({ locale, tag });
});
