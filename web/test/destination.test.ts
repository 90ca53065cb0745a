/** The form of a destination, and the requests that are made of it. */
import { expect, test } from "vitest";
import { bodyOf, changeOf, EMPTY, isAnotherPlace, saidOf, withName } from "../src/core/destination";
import type { Destination } from "../src/core/sending";

const there = {
  id: "dst_1", name: "lake", kind: "s3", endpoint: null, region: "eu-central-1", bucket: "files", prefix: "out", access_key: "AKIA1", path_style: false,
} as unknown as Destination;

test("a new one says what it must, and the secret", () => {
  const said = { ...EMPTY, name: " lake ", bucket: "files", region: "eu-central-1", access_key: "AKIA1", secret_key: "s" };
  expect(bodyOf(said)).toEqual({ name: "lake", bucket: "files", region: "eu-central-1", endpoint: null, prefix: "", access_key: "AKIA1", secret_key: "s", path_style: false });
});

test("a change says what is different, and a secret only if one is given", () => {
  const said = saidOf(there);
  expect(changeOf(said, there)).toEqual({});
  expect(changeOf({ ...said, name: "pond ", prefix: "" }, there)).toEqual({ name: "pond", prefix: "" });
  expect(changeOf({ ...said, secret_key: "new" }, there)).toEqual({ secret_key: "new" });
});

test("another bucket, region, endpoint or key needs the secret; a name and a prefix do not", () => {
  const said = saidOf(there);
  for (const same of [said, { ...said, name: "x" }, { ...said, prefix: "x" }, { ...said, secret_key: "x" }]) expect(isAnotherPlace(same, there)).toBe(false);
  for (const name of ["bucket", "region", "endpoint", "access_key"] as const) expect(isAnotherPlace(withName(said, name, "x"), there)).toBe(true);
});

test("an endpoint has the bucket in its path until somebody says otherwise", () => {
  const said = withName(EMPTY, "endpoint", "https://s3.example.org");
  expect(said.path_style).toBe(true);
  expect(withName({ ...said, path_style: false }, "endpoint", "https://s3.example.com").path_style).toBe(false);
  expect(withName(said, "endpoint", " ").path_style).toBe(false);
});
