/**
 * What a file is to be: its columns, its form, its name, who is told. As a dialog holds it, as the body of an export says it, and
 * as a preset keeps it. Never changed, only replaced. Not responsible for which rows.
 */
import type { Dataset, Preset } from "./client";

export type DraftField = { readonly name: string; readonly label: string; readonly alias: string; readonly wanted: boolean };

export type Draft = {
  readonly fields: readonly DraftField[];
  /** A format of the API, or `excel`: its CSV in the dialect of that name. */
  readonly format: string;
  readonly compression: string;
  /** What stands between cells; empty: what is usual. */
  readonly delimiter: string;
  /** How numbers and dates are written for people; empty: exactly. */
  readonly locale: string;
  /** The zone moments are shown in; empty: UTC. */
  readonly timeZone: string;
  readonly name: string;
  /** Whether a mail tells when it is ready. */
  readonly isMailed: boolean;
  /** Who else is told by it. */
  readonly others: readonly string[];
};

/** The part that a preset keeps. */
export type Form = Pick<Draft, "fields" | "format" | "compression" | "delimiter" | "locale" | "timeZone">;

const TEXT = ["csv", "excel", "jsonl", "json"];
const DELIMITED = ["csv", "excel"];
const FOR_PEOPLE = ["csv", "excel", "xlsx"];

export const DELIMITERS = [",", ";", "\t", "|"];

export const isCompressible = (format: string): boolean => TEXT.includes(format);
export const isDelimited = (format: string): boolean => DELIMITED.includes(format);
export const isForPeople = (format: string): boolean => FOR_PEOPLE.includes(format);

const GOES_WITH: Readonly<Record<string, (format: string) => boolean>> = {
  compression: isCompressible, dialect: isDelimited, delimiter: isDelimited, formats: isForPeople,
};

/** What is said of a file, but for what does not go with its format. */
export function fitting(format: string, said: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(said).filter(([name]) => GOES_WITH[name]?.(format) ?? true));
}

/** The dataset's own columns, in its own order, as a table that any program reads. */
export function draftOf(dataset: Dataset): Draft {
  return {
    fields: fieldsOf(dataset, dataset.default_columns.map((name) => ({ name, as: "" }))),
    format: "csv", compression: "none", delimiter: "", locale: "", timeZone: "", name: "", isMailed: false, others: [],
  };
}

/** Those that are wanted first, in their order, when they are not the dataset's own; the others behind them. */
function fieldsOf(dataset: Dataset, wanted: readonly { name: string; as: string }[]): DraftField[] {
  const columns = dataset.columns.filter((column) => column.shown !== "drop");
  const place = new Map(wanted.map(({ name }, index) => [name, index]));
  const isOwnOrder = wanted.every(({ name }, index) => index === 0 || indexOf(columns, wanted[index - 1]!.name) < indexOf(columns, name));
  const ordered = isOwnOrder ? columns : [...columns].sort((a, b) => (place.get(a.name) ?? columns.length) - (place.get(b.name) ?? columns.length));
  return ordered.map(({ name, label }) => ({ name, label, alias: wanted[place.get(name) ?? -1]?.as ?? "", wanted: place.has(name) }));
}

function indexOf(columns: readonly { name: string }[], name: string): number {
  return columns.findIndex((column) => column.name === name);
}

/** What the request says of the columns. */
function fieldsSaid(draft: Form): unknown[] {
  return draft.fields.filter((field) => field.wanted).map(({ name, alias }) => (alias ? { name, as: alias } : name));
}

/** The form as the API says it; nothing that does not go with the format. */
function formSaid(draft: Form): Record<string, unknown> {
  const isExcel = draft.format === "excel";
  const formats = { ...(draft.locale && { locale: draft.locale }), ...(draft.timeZone && { time_zone: draft.timeZone }) };
  return fitting(draft.format, {
    format: isExcel ? "csv" : draft.format,
    ...(isExcel && { dialect: "excel" }),
    ...(draft.compression !== "none" && { compression: draft.compression }),
    ...(draft.delimiter && { delimiter: draft.delimiter }),
    ...(Object.keys(formats).length > 0 && { formats }),
  });
}

/** The body of an export of `rows`. */
export function toRequest(draft: Draft, rows: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const name = draft.name.trim();
  const email = draft.others.length > 0 ? draft.others : draft.isMailed;
  return { ...rows, ...formSaid(draft), ...(name && { name }), ...(email !== false && { notify: { email } }), fields: fieldsSaid(draft) };
}

/** What a preset of it says. Everything is named, so that nothing of an earlier one stays. */
export function toPreset(draft: Form): Record<string, unknown> {
  return { compression: null, dialect: null, delimiter: null, formats: null, ...formSaid(draft), fields: fieldsSaid(draft) };
}

/** The draft with what the preset says; what it does not say is as it was. */
export function withPreset(draft: Draft, dataset: Dataset, preset: Preset): Draft {
  const wanted = preset.fields?.map((field) => (typeof field === "string" ? { name: field, as: "" } : field));
  const format = preset.format === "csv" && preset.dialect === "excel" ? "excel" : preset.format;
  return {
    ...draft,
    ...(wanted && { fields: fieldsOf(dataset, wanted) }),
    ...(format && { format, compression: preset.compression ?? "none" }),
    delimiter: preset.delimiter ?? "",
    locale: preset.formats?.locale ?? "",
    timeZone: preset.formats?.time_zone ?? "",
  };
}

/** Whether a preset of the draft would say what this one says. */
export function isOf(draft: Draft, dataset: Dataset, preset: Preset): boolean {
  return JSON.stringify(toPreset(withPreset(draft, dataset, preset))) === JSON.stringify(toPreset(draft));
}
