import { expect, test } from "vitest";
import type { Job } from "../src/core/client";
import { Endings } from "../src/core/endings";

const job = (id: string, status: string, minute = 0, attempt = 1) =>
  ({ job_id: id, status, attempt, created_at: new Date(Date.UTC(2026, 0, 1, 12, minute)).toISOString() }) as Job;

/** What is told at each look, by id. */
function told(looks: readonly (readonly Job[] | null)[], isTold?: (id: string) => boolean): string[][] {
  const endings = new Endings(isTold);
  return looks.map((jobs) => endings.heard({ jobs: jobs ?? [], isKnown: jobs !== null }).map((one) => one.job_id));
}

test("what ends is told once, and nothing of its progress", () => {
  const others = [job("failing", "pending"), job("cancelled", "processing")];
  const over = [job("failing", "failed"), job("cancelled", "cancelled")];
  expect(told([null, [job("a", "pending"), ...others], [job("a", "processing"), ...others], [job("a", "completed"), ...over], [job("a", "completed"), ...over], [job("a", "expired"), ...over]]))
    .toEqual([[], [], [], ["a", "failing"], [], []]);
});

test("what had ended before is not told, nor when it moves into the list", () => {
  const old = job("old", "completed", 2);
  expect(told([null, [old], [old], [old, job("older", "failed", 1)]])).toEqual([[], [], [], []]);
});

test("what began and ended between two looks is told, if nobody said so", () => {
  const looks = [null, [], [job("quick", "completed", 1), job("fetched", "completed", 1)]];
  expect(told(looks, (id) => id === "fetched")).toEqual([[], [], ["quick"]]);
});

test("one that fails again is told again", () => {
  expect(told([[job("a", "failed", 0, 1)], [job("a", "pending", 0, 1)], [job("a", "failed", 0, 2)], [job("a", "failed", 0, 3)], [job("a", "completed", 0, 4)]]))
    .toEqual([[], [], ["a"], ["a"], ["a"]]);
});
