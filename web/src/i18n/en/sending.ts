/** What the pages of what is sent by itself say: schedules, destinations, webhooks. */
export const sending = {};
