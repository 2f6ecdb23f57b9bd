// The paths that browsers go to, beside those of operations.

/** The one page there is; the others are parts of it. */
export const pagePath = "/";

/** Everything the page loads lies below. */
export const assetsPath = "/assets/";

/** Where a browser trades its key for a session. */
export const enterPath = "/enter";

/** What opens the dashboard in a browser, once, by a key. */
export function entrance(key: string): string {
  return `${enterPath}?key=${key}`;
}
