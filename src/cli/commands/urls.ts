// url, env.

import { environmentName, type Service } from "../../contract/entities.ts";
import { Fault } from "../../contract/faults.ts";
import { boolean, described, oneOf } from "../../contract/fields.ts";
import { operations } from "../../contract/operations.ts";
import { toJson } from "../render.ts";
import { command, type Context } from "../command.ts";
import { formatNames, formats, variablesOf } from "../shells.ts";

export const url = command({
  name: "url",
  args: "<id>",
  argsOf: "services",
  group: "Services",
  summary: "Get the URL for a service",
  flags: () => ({
    env: environmentName,
    set: described(operations.setEndpoint.input.url, "Set the URL of that environment"),
    unset: boolean({ summary: "Remove the URL of that environment" }),
  }),
  examples: [
    "port-daddy url myapp:api",
    "port-daddy url myapp:api -e tunnel --set https://myapp.example.com",
    "port-daddy url myapp:api -e tunnel",
  ],
  async run({ args: [id = ""], flags: { env = "local", set, unset, json, quiet } }, context) {
    const { daemon, terminal } = context;
    if (set !== undefined && unset)
      throw new Fault("invalid_input", "--set and --unset exclude each other");
    const isRead = set === undefined && !unset;
    const service = isRead
      ? await daemon.call("service", { id })
      : set !== undefined
        ? await daemon.call("setEndpoint", { id, env, url: set })
        : await daemon.call("unsetEndpoint", { id, env });
    if (json) return terminal.out(toJson(service));
    if (isRead) return terminal.out(urlOf(service, env));
    if (!quiet)
      terminal.out(
        set === undefined
          ? `Removed the ${env} URL of ${id}`
          : `Set the ${env} URL of ${id} to ${set}`,
      );
  },
});

/** Throws `not_found` with the command that sets it. */
function urlOf({ id, urls }: Service, environment: string): string {
  if (Object.hasOwn(urls, environment)) return urls[environment]!;
  throw new Fault("not_found", `${id} has no ${environment} URL`, {
    details: { id, environment, known: Object.keys(urls) },
    hint: `set it: port-daddy url ${id} -e ${environment} --set <url>`,
  });
}

export const env = command({
  name: "env",
  args: "[pattern]",
  argsOf: "services",
  group: "Services",
  summary: "Export as environment variables",
  flags: () => ({
    env: described(environmentName, "Whose URL the URL variables hold (local)"),
    format: oneOf({
      summary: `Whose they are: ${formatNames.join(", ")} (sh)`,
      values: formatNames,
      placeholder: "<format>",
    }),
  }),
  examples: [
    `eval "$(port-daddy env 'myapp:*')"`,
    "port-daddy env 'myapp:*' --format dotenv",
    "port-daddy env --format fish",
  ],
  async run({ args: [pattern], flags: { env = "local", format = "sh", json, quiet } }, context) {
    const { daemon, terminal } = context;
    const { services } = await daemon.call("services", pattern === undefined ? {} : { pattern });
    const { variables, clashes } = variablesOf(services, env);
    for (const line of formats[json ? "json" : format](variables)) terminal.out(line);
    if (!quiet) tellAbsence(services.length, pattern, context);
    for (const { name, ids } of clashes)
      terminal.err(`left out: ${ids.join(" and ")} would both be ${name}_PORT`);
    return clashes.length > 0 ? 1 : 0;
  },
});

function tellAbsence(count: number, pattern: string | undefined, { terminal }: Context): void {
  if (count > 0) return;
  terminal.err(pattern === undefined ? "No port is claimed" : `No service matches ${pattern}`);
}
