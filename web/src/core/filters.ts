/**
 * What is asked of a dataset: filters and a time window, as a request says them and as an address bar keeps them.
 * Not responsible for which filters there are: the dataset says.
 */
import type { Dataset, Filter } from "./client";

/** A value, several (`in`), or a half-open range. */
export type FilterValue = string | readonly string[] | { readonly from?: string; readonly to?: string };

export type Filters = Readonly<Record<string, FilterValue>>;

/** How far back a window reaches, from now; or two moments; or everything. */
export type Window =
  | { readonly kind: "all" }
  | { readonly kind: "last"; readonly seconds: number }
  | { readonly kind: "between"; readonly from?: string; readonly to?: string };

export type Query = { readonly filters: Filters; readonly window: Window };

export const EVERYTHING: Query = { filters: {}, window: { kind: "all" } };

/** The filters of a dataset that a person is offered: one spelling of each, and not the window's. */
export function offered(dataset: Dataset): Filter[] {
  const names = new Set(dataset.filters.map((filter) => filter.name));
  return dataset.filters.filter((filter) => {
    const singular = filter.name.endsWith("s") ? filter.name.slice(0, -1) : null;
    const isPlural = singular !== null && filter.op === "in" && names.has(singular);
    const isWindow = filter.op === "range" && dataset.time !== undefined && filter.columns?.[0] === dataset.time;
    return !isPlural && !isWindow;
  });
}

/** Numbers are sent as numbers, but for decimals, which a double would change. */
function typed(filter: Filter | undefined, text: string): unknown {
  const isNumber = filter?.type === "int64" || filter?.type === "float64";
  if (isNumber && text.trim() !== "" && Number.isFinite(Number(text))) return Number(text);
  if (filter?.type === "bool") return text === "true";
  return text;
}

/** The part of a request body that says which rows. */
export function toBody(dataset: Dataset, query: Query, now: Date): Record<string, unknown> {
  const kinds = new Map(dataset.filters.map((filter) => [filter.name, filter]));
  const body: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(query.filters)) {
    const kind = kinds.get(name);
    if (typeof value === "string") body[name] = typed(kind, value);
    else if (Array.isArray(value)) body[name] = value.map((one) => typed(kind, one));
    else body[name] = Object.fromEntries(Object.entries(value).map(([end, one]) => [end, typed(kind, one)]));
  }
  const { window } = query;
  if (window.kind === "last") body["start_time"] = new Date(now.getTime() - window.seconds * 1000).toISOString();
  if (window.kind === "between") {
    if (window.from) body["start_time"] = window.from;
    if (window.to) body["end_time"] = window.to;
  }
  return body;
}

const WINDOW = "when";

/** For the address bar, and for comparing. */
export function toParams(query: Query): URLSearchParams {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query.filters).sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (typeof value === "string") params.append(`f.${name}`, value);
    else if (Array.isArray(value)) for (const one of value) params.append(`f.${name}[]`, one);
    else for (const [end, one] of Object.entries(value)) params.append(`f.${name}.${end}`, one);
  }
  const { window } = query;
  if (window.kind === "last") params.set(WINDOW, `last-${window.seconds}`);
  if (window.kind === "between") params.set(WINDOW, `${window.from ?? ""}/${window.to ?? ""}`);
  return params;
}

export function fromParams(params: URLSearchParams): Query {
  const filters: Record<string, FilterValue> = {};
  for (const [key, value] of params) {
    if (!key.startsWith("f.")) continue;
    const name = key.slice(2);
    const range = /^(.+)\.(from|to)$/.exec(name);
    if (name.endsWith("[]")) {
      const list = filters[name.slice(0, -2)];
      filters[name.slice(0, -2)] = [...(Array.isArray(list) ? list : []), value];
    } else if (range) {
      const [, base, end] = range as unknown as [string, string, string];
      const known = filters[base];
      filters[base] = { ...(typeof known === "object" && !Array.isArray(known) ? known : {}), [end]: value };
    } else filters[name] = value;
  }
  return { filters, window: windowOf(params.get(WINDOW)) };
}

function windowOf(text: string | null): Window {
  const last = /^last-(\d{1,9})$/.exec(text ?? "");
  if (last) return { kind: "last", seconds: Number(last[1]) };
  if (!text?.includes("/")) return { kind: "all" };
  const [from, to] = text.split("/") as [string, string];
  return { kind: "between", ...(from && { from }), ...(to && { to }) };
}

/** The values that a filter names. */
export function valuesOf(query: Query, filter: string): readonly string[] {
  const value = query.filters[filter];
  if (typeof value === "string") return [value];
  return Array.isArray(value) ? value : [];
}

/** The same with a value named by a filter, or not any more; several are alternatives. */
export function ticked(query: Query, filter: string, value: string, isWanted: boolean): Query {
  const others = valuesOf(query, filter).filter((one) => one !== value);
  const values = isWanted ? [...others, value] : others;
  const { [filter]: _, ...filters } = query.filters;
  if (values.length === 0) return { ...query, filters };
  return { ...query, filters: { ...filters, [filter]: values.length === 1 ? values[0]! : values } };
}

export function isSameQuery(a: Query, b: Query): boolean {
  return toParams(a).toString() === toParams(b).toString();
}
