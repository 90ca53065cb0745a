/** Light, dark, or as the system has it. */
const KEY = "offtake.theme";

export const themes = ["system", "light", "dark"] as const;
type Theme = (typeof themes)[number];

export function theme(): Theme {
  const kept = localStorage.getItem(KEY);
  return themes.find((name) => name === kept) ?? "system";
}

export function applyTheme(name: string = theme()): void {
  localStorage.setItem(KEY, name);
  if (name === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = name;
}
