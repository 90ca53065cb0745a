/** What a page is told of exports by WebSocket. */
import type { Page, WebSocket } from "playwright-core";

export type Frame = { readonly status: string; readonly job: string; readonly percent: number | null };

/** Keeps all of it, from now on. */
export function keepFrames(page: Page): Frame[] {
  const frames: Frame[] = [];
  page.on("websocket", (socket: WebSocket) => socket.on("framereceived", ({ payload }) => {
    const { event_type: type, data } = JSON.parse(String(payload)) as { event_type?: string; data?: { job_id: string; status: string; progress_percent: number | null } };
    if (type === "export_job_status") frames.push({ status: data!.status, job: data!.job_id, percent: data!.progress_percent });
  }));
  return frames;
}
