import { describe, expect, test } from "vitest";
import { anew } from "../src/core/again";
import type { Dataset, Job, Preset } from "../src/core/client";
import { type Draft, draftOf, isOf, toPreset, toRequest, withPreset } from "../src/core/draft";
import { type Schedule, differing } from "../src/core/sending";
import { quoted } from "../src/core/shell";
import * as schedules from "../src/console/live/schedules-draft";

const column = (name: string, shown = "clear") => ({ name, label: name.toUpperCase(), type: "text", sensitive: false, shown });
const dataset = {
  name: "spans", title: "Spans", default_columns: ["a", "c"], columns: [column("a"), column("b"), column("secret", "drop"), column("c")],
} as unknown as Dataset;
const preset = (says: Partial<Preset>) => ({ name: "p", dataset: "spans", created_by: "ada", created_at: "", updated_at: "", ...says }) as Preset;
const wanted = (draft: Draft) => draft.fields.filter((field) => field.wanted).map(({ name, alias }) => (alias ? `${name} as ${alias}` : name));

describe("a draft", () => {
  const draft = draftOf(dataset);

  test("has the dataset's columns, and none that is not shown", () => {
    expect(draft.fields.map((field) => field.name)).toEqual(["a", "b", "c"]);
    expect(toRequest(draft, { selection: { mode: "all" } })).toEqual({ selection: { mode: "all" }, format: "csv", fields: ["a", "c"] });
  });

  test("says nothing that does not go with its format", () => {
    const whole: Draft = { ...draft, compression: "gzip", delimiter: ";", locale: "de-DE", timeZone: "Europe/Berlin" };
    expect(toRequest({ ...whole, format: "excel" }, {})).toEqual({
      format: "csv", dialect: "excel", compression: "gzip", delimiter: ";", formats: { locale: "de-DE", time_zone: "Europe/Berlin" }, fields: ["a", "c"],
    });
    expect(toRequest({ ...whole, format: "jsonl" }, {})).toEqual({ format: "jsonl", compression: "gzip", fields: ["a", "c"] });
    expect(toRequest({ ...whole, format: "parquet" }, {})).toEqual({ format: "parquet", fields: ["a", "c"] });
    expect(toRequest({ ...whole, format: "xlsx" }, {})).toEqual({ format: "xlsx", formats: { locale: "de-DE", time_zone: "Europe/Berlin" }, fields: ["a", "c"] });
  });

  test("tells whoever asks, or those that are named", () => {
    expect(toRequest({ ...draft, isMailed: true }, {})).toMatchObject({ notify: { email: true } });
    expect(toRequest({ ...draft, isMailed: true, others: ["ada@x.org", "bob@x.org"] }, {})).toMatchObject({ notify: { email: ["ada@x.org", "bob@x.org"] } });
    expect(toRequest(draft, {})).not.toHaveProperty("notify");
  });
});

describe("a preset", () => {
  const draft = draftOf(dataset);

  test("brings its columns in its order under its headers, before the others", () => {
    const taken = withPreset(draft, dataset, preset({ fields: ["c", { name: "a", as: "First" }], format: "csv", dialect: "excel", delimiter: ";" }));
    expect(taken.fields.map((field) => field.name)).toEqual(["c", "a", "b"]);
    expect(wanted(taken)).toEqual(["c", "a as First"]);
    expect(taken).toMatchObject({ format: "excel", delimiter: ";", compression: "none" });
  });

  test("leaves what it does not say, and columns that are gone", () => {
    expect(withPreset({ ...draft, format: "jsonl" }, dataset, preset({})).format).toBe("jsonl");
    expect(wanted(withPreset(draft, dataset, preset({ fields: ["gone", "b"] })))).toEqual(["b"]);
  });

  test("is what was saved, until something is changed", () => {
    const mine: Draft = { ...draft, format: "excel", compression: "gzip", timeZone: "Asia/Tokyo", fields: [...draft.fields].reverse() };
    const saved = preset(Object.fromEntries(Object.entries(toPreset(mine)).filter(([, value]) => value !== null)));
    expect(isOf(mine, dataset, saved)).toBe(true);
    expect(isOf({ ...mine, name: "of this time", isMailed: true }, dataset, saved)).toBe(true);
    expect(isOf({ ...mine, compression: "none" }, dataset, saved)).toBe(false);
    expect(wanted(withPreset(draft, dataset, saved))).toEqual(["c", "a"]);
  });

  test("takes away what the one before it had", () => {
    expect(toPreset({ ...draft, format: "parquet" })).toEqual({ format: "parquet", compression: null, dialect: null, delimiter: null, formats: null, fields: ["a", "c"] });
  });
});

test("an export that is run again is all that was asked for, of another moment", () => {
  const spec = {
    dataset: "spans", format: "parquet", compression: "none", dialect: "rfc4180", delimiter: ",", fields: ["a"], provider: "openai", as_of: "c1.2",
    disclosure: { masked: ["b"] }, selection: { mode: "all" }, notify: { email: true },
  };
  const job = (of: object) => ({ format: "parquet", compression: "none", spec: { ...spec, ...of }, ...of }) as unknown as Job;
  expect(anew(job({}))).toEqual({ format: "parquet", fields: ["a"], provider: "openai", selection: { mode: "all" }, notify: { email: true } });
  expect(anew(job({ format: "csv", compression: "gzip" }))).toMatchObject({ format: "csv", compression: "gzip", dialect: "rfc4180", delimiter: "," });
});

describe("a schedule's request", () => {
  const of = (said: object) => schedules.draftOf({ name: "s", dataset: "spans", window: "full", cron: "0 2 * * *", time_zone: "UTC", request: said } as unknown as Schedule, undefined);
  const spans = { ...dataset, filters: [] } as unknown as Dataset;
  const said = { format: "csv", dialect: "rfc4180", delimiter: ";", compression: "gzip", formats: { locale: "de-DE" }, fields: [{ name: "a", as: "A" }], limit: 9 };

  test("keeps what no field is about, as long as it goes with the format", () => {
    expect(schedules.requestOf(of(said), spans)).toEqual(said);
    expect(schedules.requestOf({ ...of(said), format: "excel" }, spans)).toEqual({ ...said, dialect: "excel" });
    expect(schedules.requestOf({ ...of(said), format: "parquet" }, spans)).toEqual({ format: "parquet", fields: said.fields, limit: 9 });
    expect(schedules.requestOf({ ...of({ ...said, dialect: "excel" }), format: "csv" }, spans)).not.toHaveProperty("dialect");
  });
});

test("a change says what is different, in whichever order it stands", () => {
  expect(differing({ url: "u", events: ["a"], of: { b: 1, a: 2 } }, { url: "v", events: ["a"], of: { a: 2, b: 1 }, more: 1 })).toEqual({ url: "u" });
});

test("a name is one word to a shell", () => {
  expect(["a-b_1.csv.gz", "two words", "it's", "-rf", ""].map(quoted)).toEqual(["a-b_1.csv.gz", "'two words'", "'it'\\''s'", "'-rf'", "''"]);
});
