/** The body of an export that is asked for anew: all that was asked for, of the rows as they are now. */
import type { Job } from "./client";
import { fitting } from "./draft";

/** What belongs to the moment, to the file that was made, or to what one may see. */
const OF_THEN = ["dataset", "as_of", "disclosure"];

export function anew(job: Job): Record<string, unknown> {
  const spec = job.spec as Readonly<Record<string, unknown>>;
  const body = Object.fromEntries(Object.entries(spec).filter(([name]) => !OF_THEN.includes(name)));
  if (job.compression === "none") delete body["compression"];
  return fitting(job.format, body);
}
