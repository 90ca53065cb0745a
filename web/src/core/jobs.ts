/**
 * One's own exports, kept up to date for as many listeners as there are: by events where there is a connection for them, else by
 * looking again and again, often while one runs, seldom otherwise, and at once when the page is looked at. Nothing said about a
 * job ever goes backwards. Not responsible for showing them.
 */
import { type Client, type Job, Problem } from "./client";
import { Live, type LiveEvent } from "./live";

export type JobsState = {
  readonly jobs: readonly Job[];
  /** Whether they were looked up yet: none is not the same as not known. */
  readonly isKnown: boolean;
  /** What went wrong with the last look, while that holds. */
  readonly problem: Problem | null;
};

const ACTIVE_MS = 1000;
const IDLE_MS = 20_000;
/** After a look that failed; doubled each time, up to the idle pause. */
const FAILED_MS = 1000;
const SHOWN = "50";

export function isActive(job: Job): boolean {
  return job.status === "pending" || job.status === "processing";
}

export class Jobs extends EventTarget {
  #state: JobsState = { jobs: [], isKnown: false, problem: null };
  #timer: ReturnType<typeof setTimeout> | undefined;
  #failures = 0;
  #looking = false;
  #again = false;
  #listeners = 0;
  #isLive = false;
  readonly #live: Live;
  /** What a tab did, the others see at once: they are told to look, and of nothing else. */
  readonly #tabs = new BroadcastChannel("offtake.jobs");

  constructor(readonly client: Client) {
    super();
    this.#live = new Live(client.liveUrl, ["export_job_status"], {
      event: (event) => this.#happened(event),
      missed: () => void this.look(),
      connected: (isConnected) => {
        const wasLive = this.#isLive;
        this.#isLive = isConnected;
        // What the events told is looked for from now on.
        if (wasLive && !isConnected) void this.look();
      },
    });
  }

  get state(): JobsState {
    return this.#state;
  }

  /** Tells `listener` of every change from now on, until what is returned is called. */
  subscribe(listener: (state: JobsState) => void): () => void {
    const heard = () => listener(this.#state);
    this.addEventListener("change", heard);
    if (this.#listeners++ === 0) {
      document.addEventListener("visibilitychange", this.#seen);
      addEventListener("online", this.#seen);
      this.#live.start();
      this.#tabs.addEventListener("message", this.#told);
      void this.look();
    }
    heard();
    return () => {
      this.removeEventListener("change", heard);
      if (--this.#listeners > 0) return;
      clearTimeout(this.#timer);
      document.removeEventListener("visibilitychange", this.#seen);
      removeEventListener("online", this.#seen);
      this.#tabs.removeEventListener("message", this.#told);
      this.#live.stop();
    };
  }

  /** Something was done here: looks now, here and in the other tabs. */
  async changed(): Promise<void> {
    this.#tabs.postMessage("changed");
    await this.look();
  }

  readonly #told = (): void => void this.look();

  readonly #seen = (): void => {
    if (document.visibilityState === "visible") void this.look();
  };

  /** Looks now. */
  async look(): Promise<void> {
    if (this.#looking) {
      this.#again = true;
      return;
    }
    this.#looking = true;
    clearTimeout(this.#timer);
    try {
      const { jobs } = await this.client.jobs({ mine: "true", limit: SHOWN });
      this.#failures = 0;
      this.#set({ jobs: jobs.map((job) => this.#onwards(job)), isKnown: true, problem: null });
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.#failures += 1;
      this.#set({ ...this.#state, problem: error });
    } finally {
      this.#looking = false;
    }
    if (this.#again) {
      this.#again = false;
      return this.look();
    }
    if (this.#listeners > 0) this.#timer = setTimeout(() => void this.look(), this.#pause());
  }

  /** Progress is shown as it is told; a change of state, and an export that is not known yet, are looked up. */
  #happened({ data }: LiveEvent): void {
    const known = this.#state.jobs.find((job) => job.job_id === data["job_id"]);
    if (!known || known.status !== data["status"] || !isActive(known)) return void this.look();
    const told = { progress_percent: data["progress_percent"], row_count: data["row_count"] } as Partial<Job>;
    const jobs = this.#state.jobs.map((job) => (job === known ? this.#onwards({ ...known, ...told }) : job));
    this.#set({ ...this.#state, jobs });
  }

  #pause(): number {
    if (this.#failures > 0) return Math.min(FAILED_MS * 2 ** (this.#failures - 1), IDLE_MS);
    const isBusy = this.#state.jobs.some(isActive);
    return isBusy && !this.#isLive && document.visibilityState === "visible" ? ACTIVE_MS : IDLE_MS;
  }

  /** A later attempt begins at its checkpoint, which may be less than what was said: what was said stays until it is passed. */
  #onwards(job: Job): Job {
    const before = this.#state.jobs.find((known) => known.job_id === job.job_id);
    if (!before || !isActive(job) || !isActive(before)) return job;
    const percent = Math.max(before.progress_percent ?? 0, job.progress_percent ?? 0);
    const rows = Math.max(before.row_count ?? 0, job.row_count ?? 0);
    // 100 is for a file that is there.
    return { ...job, row_count: rows, progress_percent: job.progress_percent == null ? before.progress_percent ?? null : Math.min(percent, 99.9) };
  }

  #set(state: JobsState): void {
    this.#state = state;
    this.dispatchEvent(new Event("change"));
  }
}
