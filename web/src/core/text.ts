/**
 * How numbers, moments, sizes and spans of time are written. All of it through `Intl`, in one locale and time zone.
 */
import { locale } from "../i18n";

const whole = new Intl.NumberFormat(locale);
const short = new Intl.NumberFormat(locale, { maximumSignificantDigits: 3 });
const percentage = new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: 0 });
const momentIn = (timeZone?: string) => new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "medium", timeZone });
const dateIn = (timeZone?: string) => new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeZone });
const timeOfDayIn = (timeZone?: string) =>
  new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", timeZone });
const preciseIn = (timeZone?: string) => new Intl.DateTimeFormat(locale, {
  year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit",
  fractionalSecondDigits: 3, hourCycle: "h23", timeZone,
});
/** The zone that was chosen; else the reader's own. */
let zone: string | undefined;
let [moment, date, timeOfDay, precise] = [momentIn(), dateIn(), timeOfDayIn(), preciseIn()];
const sharePercentage = new Intl.NumberFormat(locale, { style: "percent", maximumSignificantDigits: 3 });
const alternatives = new Intl.ListFormat(locale, { type: "disjunction" });
const relative = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });

export const number = (value: number): string => whole.format(value);
export const percent = (value: number): string => percentage.format(value / 100);
export const at = (text: string): string => moment.format(new Date(text));
export const day = (text: string): string => date.format(new Date(text));
export const exactly = (text: string): string => precise.format(new Date(text));
export const clock = (text: string): string => timeOfDay.format(new Date(text));
/** A part of one, as percent. */
export const share = (value: number): string => sharePercentage.format(value);
export const either = (values: readonly string[]): string => alternatives.format(values);
export const ownTimeZone = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone;
export const timeZone = (): string => zone ?? ownTimeZone();

/** From now on moments are written in this zone, or in the reader's own. */
export function useTimeZone(name: "UTC" | undefined): void {
  if (name === zone) return;
  zone = name;
  [moment, date, timeOfDay, precise] = [momentIn(name), dateIn(name), timeOfDayIn(name), preciseIn(name)];
}

/** A moment as a `datetime-local` field has it: in the zone that moments are written in. */
export function toField(text: string | undefined): string {
  if (!text) return "";
  const moment = new Date(text);
  const offset = zone === "UTC" ? 0 : moment.getTimezoneOffset() * 60_000;
  return new Date(moment.getTime() - offset).toISOString().slice(0, 19);
}

/** The moment that such a field says; `undefined` for none. */
export function fromField(value: string): string | undefined {
  return value === "" ? undefined : new Date(zone === "UTC" ? `${value}Z` : value).toISOString();
}

const regions = new Intl.DisplayNames(locale, { type: "language" });

/** What a language tag is called. */
export const region = (tag: string): string => regions.of(tag) ?? tag;

const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"] as const;

export function bytes(value: number): string {
  let size = value;
  let unit = 0;
  while (size >= 999.5 && unit < UNITS.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return new Intl.NumberFormat(locale, {
    style: "unit", unit: UNITS[unit] ?? "byte", unitDisplay: "short", maximumSignificantDigits: 3,
  }).format(size);
}

function unit(value: number, of: string): string {
  return new Intl.NumberFormat(locale, { style: "unit", unit: of, unitDisplay: "short", maximumSignificantDigits: 3 }).format(value);
}

/** A span of time, roughly. */
export function seconds(value: number): string {
  if (value < 60) return unit(value < 10 ? Number(value.toFixed(1)) : Math.round(value), "second");
  if (value < 3600) return unit(Math.round(value / 60), "minute");
  if (value < 172_800) return unit(Number((value / 3600).toFixed(1)), "hour");
  return unit(Math.round(value / 86_400), "day");
}

export function milliseconds(value: number): string {
  return value < 1000 ? unit(value, "millisecond") : seconds(value / 1000);
}

/** In how long, or how long ago. */
export function fromNow(text: string, now: number): string {
  const away = (new Date(text).getTime() - now) / 1000;
  const size = Math.abs(away);
  if (size < 60) return relative.format(Math.round(away), "second");
  if (size < 3600) return relative.format(Math.round(away / 60), "minute");
  if (size < 172_800) return relative.format(Math.round(away / 3600), "hour");
  return relative.format(Math.round(away / 86_400), "day");
}

/** Dollars as they came: exact decimals in a string. */
export function dollars(value: string | number): string {
  const amount = Number(value);
  return new Intl.NumberFormat(locale, {
    style: "currency", currency: "USD", minimumFractionDigits: 2, maximumFractionDigits: amount !== 0 && Math.abs(amount) < 1 ? 6 : 2,
  }).format(amount);
}

export const about = (value: number): string => short.format(value);
