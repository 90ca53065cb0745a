/** What the pages of what happens now say. */
export const live = {
  title: "Live",
  tabs: "What happens now",
};
