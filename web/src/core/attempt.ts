/** Does something with the API: what that has against it, or null if it worked. Anything else that goes wrong is a mistake of ours. */
import { Problem } from "./client";

export async function attempt(work: () => Promise<unknown>): Promise<Problem | null> {
  try {
    await work();
    return null;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return error;
  }
}
