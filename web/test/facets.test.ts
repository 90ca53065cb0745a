/** Which facets a dataset has, and when they are asked for. */
import { expect, test } from "vitest";
import { Client, type Dataset, type Facet } from "../src/core/client";
import { choices, faceted, Facets } from "../src/core/facets";
import { EVERYTHING, ticked, valuesOf } from "../src/core/filters";
import { View } from "../src/core/view";

const filter = (name: string, op = "in", type = "text", column = name) => ({ name, op, type, columns: [column] });
const dataset = (permission: string, filters: object[]) =>
  ({ name: "some", permission, identity: ["id"], rows: "append_only", columns: [], filters }) as unknown as Dataset;

test("facets are of columns whose values are named, in an order that people look for", () => {
  const spans = dataset("traces:read", [filter("trace_id"), filter("model"), filter("status_code"), filter("models", "in", "text", "model"), filter("user_id")]);
  expect(faceted(spans).map(({ name }) => name)).toEqual(["status_code", "model"]);
  const others = [filter("id"), filter("country", "eq"), filter("open", "eq", "bool"), filter("cost", "in", "decimal(9,2)"), filter("text", "contains"), { ...filter("email"), needs: "pii:read" }];
  expect(faceted(dataset("datasets:some", others)).map(({ name }) => name)).toEqual(["country", "open"]);
});

test("a tick is a filter, several are alternatives, and the last one taken away leaves none", () => {
  const one = ticked(EVERYTHING, "model", "a", true);
  expect(one.filters).toEqual({ model: "a" });
  const two = ticked(one, "model", "b,c", true);
  expect(two.filters).toEqual({ model: ["a", "b,c"] });
  expect(valuesOf(two, "model")).toEqual(["a", "b,c"]);
  expect(ticked(ticked(two, "model", "a", false), "model", "b,c", false)).toEqual(EVERYTHING);
  expect(ticked(one, "model", "a", true)).toEqual(one);
});

test("what is ticked stays, though no row has it", () => {
  const facet = { column: "size", filter: "size", values: [{ value: 7, count: 3 }], nulls: 0, others: 0 } as Facet;
  const query = ticked(ticked(EVERYTHING, "size", "7", true), "size", "9", true);
  expect(choices(facet, query, "size")).toEqual([{ value: "7", count: 3, isTicked: true }, { value: "9", count: 0, isTicked: true }]);
  expect(choices(facet, EVERYTHING, "size")).toEqual([{ value: "7", count: 3, isTicked: false }]);
});

/** A server that answers at once, and writes down what it was asked. */
class Answers extends Client {
  readonly asked: Record<string, unknown>[] = [];
  #page = 0;
  override rows = async () => ({ rows: [], next_cursor: null, as_of: `c${++this.#page}.1` });
  override count = async () => ({ count: 0, exact: true, as_of: `c${this.#page}.1` });
  override facets = async (_: string, body: unknown) => {
    this.asked.push(body as Record<string, unknown>);
    return { facets: [], exact: true, rows: 0, as_of: `c${this.#page}.1` };
  };
}

test("they are counted as of the page's moment, once for each refresh, and only while they are looked at", async () => {
  const client = new Answers();
  const view = new View(client, dataset("traces:read", [filter("model")]));
  const facets = new Facets(view);
  await view.refresh();
  expect(client.asked).toEqual([]);
  facets.want(true);
  expect(client.asked).toEqual([{ as_of: "c1.1", facets: ["model"] }]);
  view.toggle({ id: 1 });
  view.chooseAll();
  await view.order({ column: "model", descending: false });
  expect(client.asked.length).toBe(1);
  await view.ask(ticked(EVERYTHING, "model", "a", true));
  expect(client.asked[1]).toEqual({ as_of: "c3.1", model: "a", facets: ["model"] });
  facets.want(false);
  await view.refresh();
  expect(client.asked.length).toBe(2);
});
