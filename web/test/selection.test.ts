/** The selection against a set of rows that is kept by hand. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import * as select from "../src/core/selection";

const row = (n: number) => ({ trace_id: `t${n % 3}`, span_id: n });
const UNIVERSE = Array.from({ length: 12 }, (_, n) => row(n));

type Step = { do: "toggle"; row: number } | { do: "page"; from: number; wanted: boolean } | { do: "all" } | { do: "none" };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant("toggle" as const), row: fc.nat(11) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("page" as const), from: fc.nat(3), wanted: fc.boolean() }) },
  { weight: 1, arbitrary: fc.constant({ do: "all" as const }) },
  { weight: 1, arbitrary: fc.constant({ do: "none" as const }) },
);

function apply(selection: select.Selection, model: Set<number>, step: Step): select.Selection {
  switch (step.do) {
    case "toggle":
      if (!model.delete(step.row)) model.add(step.row);
      return select.toggle(selection, row(step.row));
    case "page": {
      const page = [0, 1, 2].map((n) => step.from * 3 + n);
      for (const n of page) step.wanted ? model.add(n) : model.delete(n);
      return select.choose(selection, page.map(row), step.wanted);
    }
    case "all":
      UNIVERSE.forEach((_, n) => model.add(n));
      return select.ALL;
    case "none":
      model.clear();
      return select.NONE;
  }
}

/** What a server makes of a request. */
function rowsOf(request: select.SelectionRequest): number[] {
  const isNamed = (n: number) => request.mode !== "all" && request.ids.some((id) => id["span_id"] === n && id["trace_id"] === row(n).trace_id);
  return UNIVERSE.map((_, n) => n).filter((n) => (request.mode === "all" ? true : request.mode === "partial" ? isNamed(n) : !isNamed(n)));
}

describe("a selection", () => {
  test("is the set it is thought to be, after any steps", () => {
    const sequences = fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const model = new Set<number>();
      let selection: select.Selection = select.NONE;
      for (const one of steps) selection = apply(selection, model, one);
      const chosen = UNIVERSE.map((_, n) => n).filter((n) => select.contains(selection, row(n)));
      expect(chosen).toEqual([...model].sort((a, b) => a - b));
      expect(select.sizeOf(selection, UNIVERSE.length)).toBe(model.size);
      if (selection.mode !== "none") expect(rowsOf(select.toRequest(selection))).toEqual(chosen);
    });
    fc.assert(sequences, { numRuns: 10_000 });
  });

  test("goes from all to all but some, and back", () => {
    const but = select.toggle(select.ALL, row(1));
    expect(but.mode).toBe("all_except");
    expect(select.toggle(but, row(1))).toEqual(select.ALL);
  });

  test("names a row by its whole identity, in whatever order the columns come", () => {
    const selection = select.toggle(select.NONE, { trace_id: "a", span_id: 1 });
    expect(select.contains(selection, { span_id: 1, trace_id: "a" })).toBe(true);
    expect(select.contains(selection, { trace_id: "b", span_id: 1 })).toBe(false);
  });

  test("says of a page whether none, some or all of it is chosen", () => {
    const page = [row(0), row(1)];
    expect(select.stateOf(select.NONE, page)).toBe("none");
    expect(select.stateOf(select.toggle(select.NONE, row(0)), page)).toBe("some");
    expect(select.stateOf(select.ALL, page)).toBe("all");
    expect(select.stateOf(select.ALL, [])).toBe("none");
  });

  test("cannot be said if it names too many", () => {
    const many = Array.from({ length: select.MOST_IDENTITIES + 1 }, (_, n) => row(n));
    expect(select.isSayable(select.choose(select.NONE, many, true))).toBe(false);
    expect(select.isSayable(select.choose(select.ALL, many.slice(1), false))).toBe(true);
    expect(select.isSayable(select.NONE)).toBe(false);
  });
});
