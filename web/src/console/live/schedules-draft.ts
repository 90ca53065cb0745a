/** A schedule as a form has it, and as the API is told. Not responsible for drawing. */
import type { Dataset } from "../../core/client";
import { type Timing, parse, print } from "../../core/cron";
import { fitting } from "../../core/draft";
import type { Filters } from "../../core/filters";
import { type Request, type Schedule, destinationOf, differing, filtersOf, withFilters, withoutWindow } from "../../core/sending";

export type Told = "nobody" | "me" | "others";

export type Draft = {
  readonly name: string;
  readonly dataset: string;
  readonly window: string;
  readonly start: "beginning" | "now";
  readonly horizon: string;
  readonly filters: Filters;
  /** As a form says it: `excel` is a dialect of CSV. */
  readonly format: string;
  readonly compression: string;
  /** Null: those the dataset has when nothing is said. */
  readonly columns: readonly string[] | null;
  readonly timing: Timing;
  readonly zone: string;
  readonly destination: string;
  readonly key: string;
  readonly told: Told;
  readonly addresses: string;
  /** What it asked for when the form was opened; what no field is about stays. */
  readonly request: Request;
};

/** What stands where one may not see what is asked for. */
const MASKED = "***";
const HORIZON = "900";

/** Whether something of it is hidden from the reader, so that it cannot be said anew. */
export const isMasked = (request: Request): boolean => Object.values(request).includes(MASKED);

export function newDraft(dataset: string, zone: string): Draft {
  return {
    name: "", dataset, window: "incremental", start: "beginning", horizon: HORIZON, filters: {}, format: "csv", compression: "none", columns: null,
    timing: { kind: "daily", hour: 2, minute: 30 }, zone, destination: "", key: "", told: "nobody", addresses: "", request: {},
  };
}

export function draftOf(schedule: Schedule, dataset: Dataset | undefined): Draft {
  const { request } = schedule;
  const to = destinationOf(request);
  const email = (request["notify"] as { email?: boolean | string[] } | undefined)?.email;
  const fields = request["fields"];
  return {
    name: schedule.name,
    dataset: schedule.dataset,
    window: schedule.window,
    start: "beginning",
    horizon: String(schedule.horizon_seconds),
    filters: dataset ? filtersOf(withoutWindow(dataset), request) : {},
    format: request["dialect"] === "excel" ? "excel" : String(request["format"] ?? "csv"),
    compression: String(request["compression"] ?? "none"),
    columns: Array.isArray(fields) ? fields.map(nameOf) : null,
    timing: parse(schedule.cron),
    zone: schedule.time_zone,
    destination: to?.id ?? "",
    key: to?.key ?? "",
    told: Array.isArray(email) ? "others" : email ? "me" : "nobody",
    addresses: Array.isArray(email) ? email.join(", ") : "",
    request,
  };
}

/** The request: what the form says, and what it was silent about as it was. */
export function requestOf(draft: Draft, dataset: Dataset): Request {
  const { format: _f, dialect, compression: _c, fields, destination: _d, notify: _n, ...rest } = draft.request;
  const { format, compression } = draft;
  const present = Array.isArray(fields) ? (fields as unknown[]) : [];
  const spoken = format === "excel" ? "excel" : dialect === "excel" ? undefined : dialect;
  const email = draft.told === "me" ? true : draft.addresses.split(",").map((one) => one.trim()).filter(Boolean);
  return {
    // Of what no field is about, too, what does not go with the format would be refused.
    ...withFilters(withoutWindow(dataset), fitting(format, rest), draft.filters),
    format: format === "excel" ? "csv" : format,
    ...fitting(format, { ...(spoken !== undefined && { dialect: spoken }), ...(compression !== "none" && { compression }) }),
    // What a column was called in the file, it goes on to be called.
    ...(draft.columns && { fields: draft.columns.map((name) => present.find((field) => nameOf(field) === name) ?? name) }),
    ...(draft.destination.trim() && { destination: { id: draft.destination.trim(), ...(draft.key.trim() && { key: draft.key.trim() }) } }),
    ...(draft.told !== "nobody" && { notify: { email } }),
  };
}

/** What makes the schedule. */
export function bodyOf(draft: Draft, dataset: Dataset): Request {
  const { window, start } = draft;
  return { ...changeable(draft), dataset: draft.dataset, window, ...(window === "incremental" && { start }), request: requestOf(draft, dataset) };
}

/** What is different about it now. */
export function changeOf(draft: Draft, present: Schedule, dataset: Dataset | undefined): Request {
  const said: Request = { ...changeable(draft), ...(dataset && !isMasked(present.request) && { request: requestOf(draft, dataset) }) };
  return differing(said, present as unknown as Request);
}

function changeable(draft: Draft): Request {
  const horizon = Number(draft.horizon);
  return {
    name: draft.name.trim(),
    cron: print(draft.timing).trim(),
    time_zone: draft.zone,
    horizon_seconds: draft.horizon.trim() !== "" && Number.isFinite(horizon) ? horizon : draft.horizon,
  };
}

function nameOf(field: unknown): string {
  return typeof field === "object" && field !== null && "name" in field ? String(field.name) : String(field);
}
