/** Cron expressions and windows of runs as a reader has them. */
import { type Timing, parse } from "../../core/cron";
import * as text from "../../core/text";
import { locale, messages as m } from "../../i18n";

const { words, runs } = m.sending.schedules;
const A_SUNDAY = Date.UTC(2023, 0, 1);
const A_DAY_MS = 86_400_000;
const WORKDAYS = "1,2,3,4,5";
const weekday = new Intl.DateTimeFormat(locale, { weekday: "long", timeZone: "UTC" });
const clock = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit", timeZone: "UTC" });
const list = new Intl.ListFormat(locale, { type: "conjunction" });

/** The name of a day, Sunday being 0. */
export const dayName = (day: number): string => weekday.format(new Date(A_SUNDAY + day * A_DAY_MS));

export function inWords(cron: string): string {
  return said(parse(cron));
}

function said(timing: Timing): string {
  switch (timing.kind) {
    case "minutes": return words.minutes(text.number(timing.every));
    case "hourly": return words.hourly(String(timing.minute).padStart(2, "0"));
    case "daily": return words.daily(time(timing));
    case "weekly": return timing.days.join() === WORKDAYS ? words.weekdays(time(timing)) : words.weekly(list.format(timing.days.map(dayName)), time(timing));
    case "monthly": return words.monthly(text.number(timing.day), time(timing));
    case "written": return words.written;
  }
}

function time({ hour, minute }: { hour: number; minute: number }): string {
  return clock.format(new Date(A_SUNDAY + (hour * 60 + minute) * 60_000));
}

/** A moment as people in this zone have it. */
export function inZone(moment: string, zone: string): string {
  const form: Intl.DateTimeFormatOptions = { weekday: "short", year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", timeZoneName: "short" };
  try {
    return new Intl.DateTimeFormat(locale, { ...form, timeZone: zone }).format(new Date(moment));
  } catch {
    // A zone that the server knows and this browser does not.
    return new Intl.DateTimeFormat(locale, form).format(new Date(moment));
  }
}

/** The rows of a run. What is cut by what was there has no moment that says something to people. */
export function windowWords(from: string | null | undefined, to: string | null | undefined): string {
  if (!from && !to) return runs.whole;
  const moment = (value: string): string | null => (/^\d{4}-\d\d-\d\dT/.test(value) ? text.at(value) : null);
  const [start, end] = [from ? moment(from) : null, to ? moment(to) : null];
  const first = !from ? runs.beginning : start ? runs.from(start) : runs.since;
  return end ? `${first} ${runs.until(end)}` : first;
}
