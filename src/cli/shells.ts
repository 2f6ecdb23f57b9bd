// Variables as each shell, or file of variables, wants to read them. A value is what it says in every one of them,
// whatever characters it has.

import type { Service } from "../contract/entities.ts";
import { quoted } from "../contract/shell.ts";

type Variables = Record<string, string>;

/** Where a service is. */
export type Whereabouts = Pick<Service, "id" | "port" | "urls">;

const lines = (write: (name: string, value: string) => string) => (variables: Variables) =>
  Object.entries(variables).map(([name, value]) => write(name, value));

/** Lines for each format. Names hold only `A-Z`, `0-9` and `_`; values hold no control characters. */
export const formats = {
  sh: lines((name, value) => `export ${name}=${quoted(value)}`),
  // Readers differ on what is special even within single quotes, so a URL says it in its own escapes.
  dotenv: lines(
    (name, value) => `${name}='${value.replaceAll("'", "%27").replaceAll("$", "%24")}'`,
  ),
  json: (variables: Variables) => [JSON.stringify(variables, null, 2)],
  // fish: within single quotes the backslash escapes itself and the quote.
  fish: lines((name, value) => `set -gx ${name} '${value.replace(/[\\']/g, "\\$&")}'`),
  // PowerShell language specification 2.3.5.2: any of these quotes ends a literal, and doubled stands for itself.
  powershell: lines(
    (name, value) => `$env:${name} = '${value.replace(/['\u2018-\u201b]/g, "$&$&")}'`,
  ),
  // A line each of the file at $GITHUB_ENV, where nothing is special but the end of the line.
  github: lines((name, value) => `${name}=${value}`),
} satisfies Record<string, (variables: Variables) => string[]>;

export type Format = keyof typeof formats;
export const formatNames = Object.keys(formats) as Format[];

/** `myapp:api:feature-auth` → `MYAPP_API_FEATURE_AUTH`; a leading digit gets an underscore. */
export function variableName(id: string): string {
  return id
    .toUpperCase()
    .replace(/[^A-Z0-9]/g, "_")
    .replace(/^\d/, "_$&");
}

/** The port of each service, and its URL in an environment where it has one. Those that would share a name are left out. */
export function variablesOf(
  services: readonly Whereabouts[],
  environment = "local",
): { variables: Variables; clashes: { name: string; ids: string[] }[] } {
  const groups = [...Map.groupBy(services, ({ id }) => variableName(id))];
  const variables = groups.flatMap(([name, [service, ...others]]) =>
    service && others.length === 0 ? entriesOf(name, service, environment) : [],
  );
  const clashes = groups.flatMap(([name, group]) =>
    group.length > 1 ? [{ name, ids: group.map(({ id }) => id) }] : [],
  );
  return { variables: Object.fromEntries(variables), clashes };
}

function entriesOf(
  name: string,
  { port, urls }: Whereabouts,
  environment: string,
): [string, string][] {
  const entries: [string, string][] = [[`${name}_PORT`, String(port)]];
  if (Object.hasOwn(urls, environment)) entries.push([`${name}_URL`, urls[environment]!]);
  return entries;
}
