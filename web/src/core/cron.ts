/**
 * Cron expressions of five fields that a form can say without one: every so many minutes, hourly, daily, on days of the week, on a
 * day of the month. Anything else is as it was written. Not responsible for whether an expression is sound: the server says.
 */
export type Timing =
  | { readonly kind: "minutes"; readonly every: number }
  | { readonly kind: "hourly"; readonly minute: number }
  | { readonly kind: "daily"; readonly hour: number; readonly minute: number }
  | { readonly kind: "weekly"; readonly days: readonly number[]; readonly hour: number; readonly minute: number }
  | { readonly kind: "monthly"; readonly day: number; readonly hour: number; readonly minute: number }
  | { readonly kind: "written"; readonly cron: string };

export const STEPS = [5, 10, 15, 20, 30] as const;

export function parse(cron: string): Timing {
  const written: Timing = { kind: "written", cron };
  const fields = cron.trim().split(/\s+/);
  if (fields.length !== 5) return written;
  const [minutes, hours, date, month, weekdays] = fields as [string, string, string, string, string];
  if (month !== "*") return written;
  const step = /^\*\/(\d{1,2})$/.exec(minutes);
  if (step && hours === "*" && date === "*" && weekdays === "*") {
    const every = Number(step[1]);
    return STEPS.some((one) => one === every) ? { kind: "minutes", every } : written;
  }
  const minute = within(minutes, 0, 59);
  if (minute === null) return written;
  if (hours === "*" && date === "*" && weekdays === "*") return { kind: "hourly", minute };
  const hour = within(hours, 0, 23);
  if (hour === null) return written;
  if (date === "*" && weekdays === "*") return { kind: "daily", hour, minute };
  const days = date === "*" ? daysOf(weekdays) : null;
  if (days) return { kind: "weekly", days, hour, minute };
  const day = weekdays === "*" ? within(date, 1, 31) : null;
  return day === null ? written : { kind: "monthly", day, hour, minute };
}

export function print(timing: Timing): string {
  switch (timing.kind) {
    case "minutes": return `*/${timing.every} * * * *`;
    case "hourly": return `${timing.minute} * * * *`;
    case "daily": return `${timing.minute} ${timing.hour} * * *`;
    case "weekly": return `${timing.minute} ${timing.hour} * * ${[...timing.days].sort((a, b) => a - b).join(",")}`;
    case "monthly": return `${timing.minute} ${timing.hour} ${timing.day} * *`;
    case "written": return timing.cron;
  }
}

/** The same as far as it can be said otherwise, with what the other kind needs and this one does not have as a person would. */
export function as(kind: Timing["kind"], timing: Timing): Timing {
  const minute = "minute" in timing ? timing.minute : 0;
  const hour = "hour" in timing ? timing.hour : 2;
  switch (kind) {
    case "minutes": return { kind, every: 15 };
    case "hourly": return { kind, minute };
    case "daily": return { kind, hour, minute };
    case "weekly": return { kind, days: [1], hour, minute };
    case "monthly": return { kind, day: 1, hour, minute };
    case "written": return { kind, cron: print(timing) };
  }
}

function within(text: string, from: number, to: number): number | null {
  const value = /^\d{1,2}$/.test(text) ? Number(text) : -1;
  return value >= from && value <= to ? value : null;
}

/** Days of the week, Sunday being 0. */
function daysOf(text: string): number[] | null {
  const days = new Set<number>();
  for (const part of text.split(",")) {
    const range = /^([0-6])(?:-([0-6]))?$/.exec(part);
    if (!range) return null;
    const [from, to] = [Number(range[1]), Number(range[2] ?? range[1])];
    if (to < from) return null;
    for (let day = from; day <= to; day += 1) days.add(day);
  }
  return [...days].sort((a, b) => a - b);
}
