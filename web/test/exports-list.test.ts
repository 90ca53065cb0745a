import { expect, test } from "vitest";
import { parse } from "../src/console/route";
import { EVERY, fromHash, jobFrom, jobIn, toHash, toRequest, withJob } from "../src/console/exports/list";

test("what is listed survives the address bar, beside whatever else stands there", () => {
  const listed = { status: "failed", dataset: "my spans", requestId: "req_1&x=2", isMine: true };
  const hash = toHash("#/exports?new=spans&f.provider=openai", listed);
  expect(fromHash(hash)).toEqual(listed);
  expect(hash).toContain("f.provider=openai");
  expect(toRequest(fromHash(hash))).toEqual({ status: "failed", dataset: "my spans", request_id: "req_1&x=2", mine: "true" });
  expect(toHash(hash, EVERY)).toBe("#/exports?new=spans&f.provider=openai");
  expect(toRequest(EVERY)).toEqual({});
});

test("an export has an address, and the list behind it stays", () => {
  const hash = withJob("#/exports?status=failed", "job_1");
  expect([jobIn(hash), fromHash(hash).status, withJob(hash, null)]).toEqual(["job_1", "failed", "#/exports?status=failed"]);
  expect(jobIn("#/exports")).toBeNull();
  expect(jobFrom("#/live/schedules", "job_1")).toBe("#/exports?job=job_1");
  const inUtc = jobFrom("#/live/schedules?tz=UTC", "job_1");
  expect([jobIn(inUtc), parse(inUtc).zone]).toEqual(["job_1", "UTC"]);
});
