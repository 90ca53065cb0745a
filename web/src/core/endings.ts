/** Which exports ended since one began to look: each end is told once, and none that was there before. Not responsible for words. */
import type { Job } from "./client";
import type { JobsState } from "./jobs";

/** A file is there, or never will be. Whoever cancels one, or lets it expire, knows already. */
const ENDS = ["completed", "failed"];

export class Endings {
  /** How each export stood when it was last heard of. */
  readonly #known = new Map<string, string>();
  /** The newest export that was there at first; none before the list is known. */
  #since: number | null = null;

  /** `isTold` knows exports of which it was said already that they are here. */
  constructor(private readonly isTold: (id: string) => boolean = () => false) {}

  /** What ended since the last time. */
  heard({ jobs, isKnown }: Pick<JobsState, "jobs" | "isKnown">): readonly Job[] {
    if (!isKnown) return [];
    const ended = this.#since === null ? [] : jobs.filter((job) => ENDS.includes(job.status) && this.#isNews(job));
    this.#since ??= Math.max(0, ...jobs.map(made));
    for (const job of jobs) this.#known.set(job.job_id, standing(job));
    return ended;
  }

  /** One that was never heard of may have begun and ended between two looks, or be an old one that moved into the list. */
  #isNews(job: Job): boolean {
    const before = this.#known.get(job.job_id);
    if (before === undefined) return made(job) >= this.#since! && !this.isTold(job.job_id);
    return before !== standing(job);
  }
}

/** One that failed may fail again. */
function standing({ status, attempt }: Job): string {
  return `${status} ${attempt}`;
}

function made(job: Job): number {
  return new Date(job.created_at).getTime();
}
