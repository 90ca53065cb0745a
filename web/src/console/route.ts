/**
 * Where one is, in the address bar behind the `#`: it is sent to no server, and what is filtered by is nobody's business but
 * the reader's.
 */
import { type Query, fromParams, toParams } from "../core/filters";
import type { Sort } from "../core/view";

export type Route = {
  /** `exports`, `live`, or the name of a dataset. */
  readonly page: string;
  /** Which part of the page, where it has several. */
  readonly tab: string;
  readonly query: Query;
  readonly sort: Sort | null;
  readonly columns: readonly string[];
  /** The trace that is open. */
  readonly trace: string | null;
  /** The zone moments are written in, if it is not the reader's own. */
  readonly zone?: "UTC" | undefined;
};

/** An address as it is written, before anybody knows what its parameters mean. */
export function locationOf(hash: string): { path: string; params: URLSearchParams } {
  const [path = "", search = ""] = hash.replace(/^#\/?/, "").split("?", 2) as [string, string?];
  return { path, params: new URLSearchParams(search) };
}

export function parse(hash: string): Route {
  const { path, params } = locationOf(hash);
  const sort = params.get("sort");
  return {
    page: decoded(path.split("/", 1)[0] ?? ""),
    tab: decoded(path.split("/")[1] ?? ""),
    query: fromParams(params),
    sort: sort ? { column: sort.replace(/^-/, ""), descending: sort.startsWith("-") } : null,
    columns: params.get("columns")?.split(",").filter(Boolean) ?? [],
    trace: params.get("trace"),
    ...(params.get("tz") === "UTC" && { zone: "UTC" as const }),
  };
}

export function print(route: Route): string {
  const params = toParams(route.query);
  if (route.sort) params.set("sort", (route.sort.descending ? "-" : "") + route.sort.column);
  if (route.columns.length > 0) params.set("columns", route.columns.join(","));
  if (route.trace) params.set("trace", route.trace);
  if (route.zone) params.set("tz", route.zone);
  const search = params.toString();
  const path = [route.page, route.tab].filter(Boolean).map(encodeURIComponent).join("/");
  return `#/${path}${search ? `?${search}` : ""}`;
}

/** Another address, with moments in the zone they have `here`. */
export function inZoneOf(here: string, hash: string): string {
  return print({ ...parse(hash), zone: parse(here).zone });
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}
