/** What comes back late belongs to the dialog it was asked for in, and to no other. */
import { expect, test } from "vitest";
import { Turn } from "../src/elements/turn";

test("a turn lasts until another begins, or its place is gone", () => {
  const host = { isConnected: true };
  const turn = new Turn(host);
  const first = turn.begin();
  const same = turn.hold();
  expect([first(), same()]).toEqual([true, true]);
  const second = turn.begin();
  expect([first(), same(), second()]).toEqual([false, false, true]);
  host.isConnected = false;
  expect(second()).toBe(false);
});
