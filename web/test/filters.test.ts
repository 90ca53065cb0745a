/** Filters as requests and addresses have them. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Dataset } from "../src/core/client";
import { fromParams, isSameQuery, offered, type Query, toBody, toParams } from "../src/core/filters";
import { parse, print } from "../src/console/route";

const filter = (name: string, op: string, type = "text", column = name) => ({ name, op, type, columns: [column] });
const dataset = {
  name: "spans", time: "started_at",
  filters: [filter("provider", "in"), filter("providers", "in", "text", "provider"), filter("min_cost", "min", "decimal(18,9)"), filter("min_tokens", "min", "int64"), filter("created_at", "range", "timestamp", "started_at"), filter("status", "eq")],
} as unknown as Dataset;
const now = new Date("2026-11-01T12:00:00Z");

test("a filter is offered once, and the window is no filter", () => {
  expect(offered(dataset).map(({ name }) => name)).toEqual(["provider", "min_cost", "min_tokens", "status"]);
});

test("numbers are sent as numbers, decimals as they were written", () => {
  const query: Query = { filters: { min_tokens: "12", min_cost: "0.100000001", provider: ["a", "b"] }, window: { kind: "last", seconds: 3600 } };
  expect(toBody(dataset, query, now)).toEqual({ min_tokens: 12, min_cost: "0.100000001", provider: ["a", "b"], start_time: "2026-11-01T11:00:00.000Z" });
});

test("what is no number is sent as it is, so that the server says what is wrong", () => {
  expect(toBody(dataset, { filters: { min_tokens: "many" }, window: { kind: "all" } }, now)).toEqual({ min_tokens: "many" });
});

test("any query survives the address bar", () => {
  const name = fc.stringMatching(/^[a-z][a-z_]{0,12}$/);
  const value = fc.oneof(fc.string({ minLength: 1 }), fc.array(fc.string({ minLength: 1 }), { minLength: 1 }), fc.record({ from: fc.string({ minLength: 1 }), to: fc.string({ minLength: 1 }) }));
  const window = fc.oneof(fc.constant({ kind: "all" as const }), fc.record({ kind: fc.constant("last" as const), seconds: fc.integer({ min: 1, max: 1e8 }) }), fc.constant({ kind: "between" as const, from: "2026-11-01T00:00:00Z" }));
  const property = fc.property(fc.dictionary(name, value, { noNullPrototype: true }), window, (filters, window) => {
    const query = { filters, window } as Query;
    expect(isSameQuery(fromParams(new URLSearchParams(toParams(query).toString())), query)).toBe(true);
    const route = { page: "spans", tab: "", query, sort: { column: "a", descending: true }, columns: ["a", "b"], trace: "t" };
    expect(print(parse(print(route)))).toBe(print(route));
  });
  fc.assert(property, { numRuns: 500 });
});

test("an address that nobody made is read as far as it goes", () => {
  expect(parse("#/%E0%A4%A")).toMatchObject({ page: "", query: { window: { kind: "all" } } });
  expect(parse("#/spans?when=last-x&sort=-")).toMatchObject({ page: "spans", query: { filters: {}, window: { kind: "all" } } });
});
