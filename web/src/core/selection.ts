/**
 * Which rows of a filtered dataset are chosen: none, just these, all, or all but these.
 *
 * Values are never changed, only replaced. Paging, sorting and refreshing have no way to reach one; a change of filters
 * drops it. Not responsible for rows, counts that nobody asked for, or the screen.
 */

/** The values of a dataset's identity columns, by name. */
export type Identity = Readonly<Record<string, unknown>>;

type Identities = ReadonlyMap<string, Identity>;

export type Selection =
  | { readonly mode: "none" }
  | { readonly mode: "partial"; readonly ids: Identities }
  | { readonly mode: "all" }
  | { readonly mode: "all_except"; readonly ids: Identities };

/** What a request says of a selection. */
export type SelectionRequest = { mode: "all" } | { mode: "all_except" | "partial"; ids: Identity[] };

/** Identities that a request may name. */
export const MOST_IDENTITIES = 10_000;

export const NONE: Selection = { mode: "none" };
export const ALL: Selection = { mode: "all" };

/** The identity of a row, given the names of its columns. */
export function identityOf(row: Readonly<Record<string, unknown>>, columns: readonly string[]): Identity {
  return Object.fromEntries(columns.map((column) => [column, row[column]]));
}

/** One spelling for each identity. */
function keyOf(id: Identity): string {
  return JSON.stringify(Object.entries(id).sort(([a], [b]) => (a < b ? -1 : 1)));
}

export function contains(selection: Selection, id: Identity): boolean {
  switch (selection.mode) {
    case "none":
      return false;
    case "all":
      return true;
    case "partial":
      return selection.ids.has(keyOf(id));
    case "all_except":
      return !selection.ids.has(keyOf(id));
  }
}

/** Takes these rows in (`wanted`) or out. */
export function choose(selection: Selection, rows: readonly Identity[], wanted: boolean): Selection {
  const named = selection.mode === "partial" || selection.mode === "all_except" ? selection.ids : new Map<string, Identity>();
  const inverted = selection.mode === "all" || selection.mode === "all_except";
  const ids = new Map(named);
  for (const row of rows) {
    // What is named is in a partial selection, and out of one that is inverted.
    if (wanted === inverted) ids.delete(keyOf(row));
    else ids.set(keyOf(row), row);
  }
  if (ids.size === 0) return inverted ? ALL : NONE;
  return { mode: inverted ? "all_except" : "partial", ids };
}

export function toggle(selection: Selection, row: Identity): Selection {
  return choose(selection, [row], !contains(selection, row));
}

/** How a box stands that speaks for several rows. */
export type Tristate = "none" | "some" | "all";

export function stateOf(selection: Selection, rows: readonly Identity[]): Tristate {
  const chosen = rows.filter((row) => contains(selection, row)).length;
  if (chosen === 0) return "none";
  return chosen === rows.length ? "all" : "some";
}

/** How many rows are chosen, where `total` pass the filters. */
export function sizeOf(selection: Selection, total: number): number {
  switch (selection.mode) {
    case "none":
      return 0;
    case "all":
      return total;
    case "partial":
      return selection.ids.size;
    case "all_except":
      return Math.max(0, total - selection.ids.size);
  }
}

/** How many rows are named one by one. */
export function named(selection: Selection): number {
  return selection.mode === "partial" || selection.mode === "all_except" ? selection.ids.size : 0;
}

/** Whether a request can say it. */
export function isSayable(selection: Selection): boolean {
  return selection.mode !== "none" && named(selection) <= MOST_IDENTITIES;
}

export function toRequest(selection: Selection): SelectionRequest {
  if (selection.mode === "none") throw new Error("nothing is chosen");
  if (selection.mode === "all") return { mode: "all" };
  return { mode: selection.mode, ids: [...selection.ids.values()] };
}
