import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { as, parse, print, type Timing } from "../src/core/cron";

const minute = fc.integer({ min: 0, max: 59 });
const hour = fc.integer({ min: 0, max: 23 });
const timing: fc.Arbitrary<Timing> = fc.oneof(
  fc.record({ kind: fc.constant("minutes" as const), every: fc.constantFrom(5, 10, 15, 20, 30) }),
  fc.record({ kind: fc.constant("hourly" as const), minute }),
  fc.record({ kind: fc.constant("daily" as const), hour, minute }),
  fc.record({ kind: fc.constant("weekly" as const), days: fc.uniqueArray(fc.integer({ min: 0, max: 6 }), { minLength: 1 }).map((days) => days.sort()), hour, minute }),
  fc.record({ kind: fc.constant("monthly" as const), day: fc.integer({ min: 1, max: 31 }), hour, minute }),
);

describe("cron", () => {
  test("what a form can say is read back as it was said", () => {
    fc.assert(fc.property(timing, (said) => {
      expect(parse(print(said))).toEqual(said);
    }));
  });

  test.each(["0 3 1 1 *", "7,37 * * * *", "*/7 * * * *", "0 2 1 * 1", "0 2 * * 1#1", "0 25 * * *", "60 2 * * *", "0 2 32 * *", "0 2 * * 7", "0 2 * * 5-1", "* * * *", ""])(
    "%j stays as it is written",
    (cron) => expect(parse(cron)).toEqual({ kind: "written", cron }),
  );

  test("a range of days is those days", () => {
    expect(parse("30 6 * * 1-5")).toEqual({ kind: "weekly", days: [1, 2, 3, 4, 5], hour: 6, minute: 30 });
  });

  test("another kind keeps the time of day", () => {
    const daily = parse("30 6 * * *");
    expect(print(as("monthly", daily))).toBe("30 6 1 * *");
    expect(print(as("weekly", daily))).toBe("30 6 * * 1");
    expect(as("written", daily)).toEqual({ kind: "written", cron: "30 6 * * *" });
    expect(print(as("daily", as("written", daily)))).toBe("0 2 * * *");
  });
});
