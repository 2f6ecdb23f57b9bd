// Light, dark, or whatever the system has; kept in this browser.

import { createValue } from "./value.ts";

const themes = ["system", "light", "dark"] as const;
export type Theme = (typeof themes)[number];

const storedAs = "port-daddy.theme";

export const theme = createValue<Theme>(read());

/** The next of the three. */
export function switchTheme(): void {
  const next = themes[(themes.indexOf(theme.get()) + 1) % themes.length]!;
  theme.set(next);
  localStorage.setItem(storedAs, next);
  show();
}

export function show(): void {
  document.documentElement.dataset["theme"] = theme.get();
}

function read(): Theme {
  const stored = localStorage.getItem(storedAs);
  return themes.find((each) => each === stored) ?? "system";
}
