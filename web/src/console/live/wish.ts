/** What somebody wants to be told of events, as the address bar keeps it. */
import { NUMBER_FILTERS, type StreamFilters, TEXT_FILTERS } from "../../core/stream";
import { parse, print } from "../route";

export type Wish = { readonly types: readonly string[]; readonly filters: StreamFilters };

const NAMES: readonly string[] = [...TEXT_FILTERS, ...NUMBER_FILTERS];
/** Types stand there where they are not all of those there are. */
const TYPES = "type";

export function wishOf(hash: string, offered: readonly string[]): Wish {
  const { filters } = parse(hash).query;
  const said = Object.entries(filters).flatMap(([name, value]) => (NAMES.includes(name) && typeof value === "string" && value !== "" ? [[name, value]] : []));
  const types = filters[TYPES];
  return { types: typeof types === "string" ? offered.filter((type) => types.split(",").includes(type)) : offered, filters: Object.fromEntries(said) };
}

export function hashOf({ types, filters }: Wish, offered: readonly string[]): string {
  const said = Object.fromEntries(Object.entries(filters).filter(([, value]) => value !== ""));
  const isAll = types.length === offered.length;
  const query = { filters: { ...said, ...(!isAll && { [TYPES]: types.join(",") }) }, window: { kind: "all" } } as const;
  return print({ ...parse(""), page: "live", tab: "events", query });
}

export function isSame(a: Wish, b: Wish, offered: readonly string[]): boolean {
  return hashOf(a, offered) === hashOf(b, offered);
}
