// `url` and `env`: the variables that each real shell ends up with, whatever the names and values are.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import * as path from "node:path";
import { Home } from "../home.ts";

let home: Home;
beforeAll(() => {
  home = new Home();
});
afterAll(() => home[Symbol.asyncDispose]());

async function claim(id: string): Promise<number> {
  return (await home.json(["claim", id])).port;
}

describe("url", () => {
  test("is the local one, others by -e, as they were set", async () => {
    const port = await claim("urls:api");
    const local = { code: 0, out: `http://localhost:${port}\n`, err: "" };
    const url = "https://myapp.example.com";
    const id = "urls:api";
    expect(await home.run(["url", id])).toEqual(local);
    expect(await home.run(["url", id, "--env", "local"])).toEqual(local);
    expect(await home.run(["url", id, "-e", "tunnel", "--set", url])).toEqual({
      code: 0,
      out: `Set the tunnel URL of ${id} to ${url}\n`,
      err: "",
    });
    expect(await home.run(["url", id, "-e", "tunnel"])).toEqual({
      code: 0,
      out: `${url}\n`,
      err: "",
    });
    expect((await home.json(["find", id])).services[0].urls).toEqual({
      local: `http://localhost:${port}`,
      tunnel: url,
    });

    await home.run(["release", id]);
    await claim(id);
    expect((await home.run(["url", id, "-e", "tunnel"])).code).toBe(3);
  });

  test("that is not set is 3, with the command that sets it", async () => {
    await claim("urls:unset");
    const unset = {
      code: 3,
      out: "",
      err:
        "error: urls:unset has no staging URL\n" +
        "hint: set it: port-daddy url urls:unset -e staging --set <url>\n",
    };
    expect(await home.run(["url", "urls:unset", "-e", "staging"])).toEqual(unset);
    await home.run(["url", "urls:unset", "-e", "staging", "--set", "https://staging.example.com"]);
    expect(await home.run(["url", "urls:unset", "-e", "staging", "--unset"])).toMatchObject({
      code: 0,
      out: "Removed the staging URL of urls:unset\n",
    });
    expect(await home.run(["url", "urls:unset", "-e", "staging"])).toEqual(unset);
    expect((await home.run(["url", "urls:nobody"])).code).toBe(3);
  });

  test.each([
    ["a space", "https://example.com/a b"],
    ["a line break", "https://example.com/\nexport EVIL=1"],
    ["a tab", "https://example.com/\tx"],
    ["an escape", "https://example.com/\x1b[31m"],
    ["no-break space", "https://example.com/\u00a0"],
    ["another scheme", "javascript:alert(1)"],
    ["no scheme", "example.com"],
  ])("with %s is refused, and nothing is set", async (_, url) => {
    await claim("urls:refused");
    const { code, out } = await home.run(["url", "urls:refused", "-e", "dev", "--set", url]);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect((await home.run(["url", "urls:refused", "-e", "dev"])).code).toBe(3);
  });

  test("local is not for setting", async () => {
    await claim("urls:local");
    const words = ["url", "urls:local", "--set", "https://example.com"];
    expect((await home.run(words)).code).toBe(2);
    expect((await home.run([...words, "--unset"])).code).toBe(2);
  });
});

/** Values that a shell would make something else of, were they not quoted for it. */
const hostile = {
  "1st.app:my-api:a_b": "https://example.com/?a=$HOME&b=$(touch${IFS}pwned)&c=`touch${IFS}pwned`",
  "hostile:quotes": `https://example.com/'"''"'"'`,
  "hostile:backslashes": String.raw`https://example.com/\n\\'\'\$HOME\u0041\\`,
  "hostile:signs": "https://example.com/!!;|&<>(){}[]*?~#%41%%^=:@,end",
  "hostile:typographic": "https://example.com/\u2018\u2019\u201a\u201b\u201c\u00e9\u{1f6a2}",
};

const names = {
  "1st.app:my-api:a_b": "_1ST_APP_MY_API_A_B",
  "hostile:quotes": "HOSTILE_QUOTES",
  "hostile:backslashes": "HOSTILE_BACKSLASHES",
  "hostile:signs": "HOSTILE_SIGNS",
  "hostile:typographic": "HOSTILE_TYPOGRAPHIC",
};

/** Claims them all; what each variable must hold. */
async function claimHostile(home: Home): Promise<Record<string, string>> {
  const variables: Record<string, string> = {};
  for (const [id, url] of Object.entries(hostile) as [keyof typeof hostile, string][]) {
    const { port } = await home.json(["claim", id]);
    const { code, err } = await home.run(["url", id, "-e", "tunnel", "--set", url]);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    variables[`${names[id]}_PORT`] = String(port);
    variables[`${names[id]}_URL`] = url;
  }
  return variables;
}

function exported(environ: string): Record<string, string> {
  const entries = environ
    .split("\0")
    .filter((entry) => /^(_1ST|HOSTILE)/.test(entry))
    .map((entry) => [entry.slice(0, entry.indexOf("=")), entry.slice(entry.indexOf("=") + 1)]);
  return Object.fromEntries(entries);
}

describe("env, with hostile names and values,", () => {
  let variables: Record<string, string>;
  beforeAll(async () => {
    variables = await claimHostile(home);
    for (const id of ["myapp", "myapp:api", "myapp:web:main"]) await claim(id);
  });
  const printed = "env -0";
  const lines: [shell: string, line: string][] = [
    ...["sh", "dash", "bash", "zsh"].map(
      (shell) => [shell, `eval "$(port-daddy env -e tunnel)"; ${printed}`] as [string, string],
    ),
    ["bash", `set -eu; source <(port-daddy env -e tunnel --format sh); ${printed}`],
    ["zsh", `setopt extendedglob; eval "$(port-daddy env -e tunnel)"; ${printed}`],
    ["fish", `port-daddy env -e tunnel --format fish | source; ${printed}`],
  ];

  for (const [shell, line] of lines) {
    test.skipIf(Bun.which(shell) === null)(`${shell}: ${line}`, async () => {
      const { code, out, err } = await home.shell(line, shell);
      expect({ code, err }).toEqual({ code: 0, err: "" });
      expect(exported(out)).toEqual(variables);
      expect(fs.existsSync(path.join(home.directory, "pwned"))).toBe(false);
    });
  }

  test.each(["sh", "dash", "bash", "zsh"].filter((shell) => Bun.which(shell) !== null))(
    "%s: the line of the manual",
    async (shell) => {
      const line = `eval "$(port-daddy env 'myapp:*')"; echo "$MYAPP_PORT $MYAPP_API_PORT $MYAPP_WEB_MAIN_URL"`;
      const ports = await Promise.all(["myapp", "myapp:api", "myapp:web:main"].map(claim));
      expect(await home.shell(line, shell)).toEqual({
        code: 0,
        out: `${ports[0]} ${ports[1]} http://localhost:${ports[2]}\n`,
        err: "",
      });
    },
  );

  test.skipIf(Bun.which("jq") === null)("jq: each value of --format json", async () => {
    for (const format of ["--format json", "-j"]) {
      const line = `port-daddy env -e tunnel ${format} | jq -j 'to_entries[] | "\\(.key)=\\(.value)\\u0000"'`;
      const { code, out, err } = await home.shell(line);
      expect({ code, err }).toEqual({ code: 0, err: "" });
      expect(exported(out)).toEqual(variables);
    }
  });

  test("a file of variables: sh reads --format dotenv as well, where a quote and a dollar are in the URL's own escapes", async () => {
    const line = `port-daddy env -e tunnel --format dotenv >.env; set -a; . ./.env; env -0`;
    const { code, out, err } = await home.shell(line);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    const expected = Object.entries(variables).map(([name, value]) => [
      name,
      value.replaceAll("'", "%27").replaceAll("$", "%24"),
    ]);
    expect(exported(out)).toEqual(Object.fromEntries(expected));
  });

  test("node reads --format dotenv the same way", async () => {
    await home.shell("port-daddy env -e tunnel --format dotenv >.env");
    const script = `console.log(JSON.stringify(process.env))`;
    const { out } = await home.shell(`node --env-file=.env -e '${script}'`);
    const read = JSON.parse(out);
    for (const [name, value] of Object.entries(variables))
      expect([name, read[name]]).toEqual([
        name,
        value.replaceAll("'", "%27").replaceAll("$", "%24"),
      ]);
  });

  test("--format github is a line for each, as it is", async () => {
    const { out } = await home.run(["env", "-e", "tunnel", "--format", "github"]);
    expect(exported(out.replaceAll("\n", "\0"))).toEqual(variables);
  });

  test("PowerShell's literals are closed where they should be, by its grammar", async () => {
    const { out } = await home.run(["env", "-e", "tunnel", "--format", "powershell"]);
    // Language specification 2.3.5.2.2: a doubled quote of any kind stands for one; a single one ends the literal.
    const literal = /^\$env:(\w+) = '((?:[^'\u2018-\u201b]|['\u2018-\u201b]{2})*)'$/;
    const read = out
      .trimEnd()
      .split("\n")
      .map((line) => literal.exec(line) ?? [])
      .map(([, name, text = ""]) => [name, text.replace(/(['\u2018-\u201b])\1/g, "$1")]);
    expect(Object.fromEntries(read)).toMatchObject(variables);
  });
});

test("env without a URL in that environment has the port alone", async () => {
  await using home = new Home();
  const { port } = await home.json(["claim", "bare"]);
  expect(await home.run(["env", "bare", "-e", "tunnel"])).toEqual({
    code: 0,
    out: `export BARE_PORT='${port}'\n`,
    err: "",
  });
  expect(await home.run(["env", "nobody:*"])).toEqual({
    code: 0,
    out: "",
    err: "No service matches nobody:*\n",
  });
});

test("two identities that would be one variable are both left out and named, and the code is 1", async () => {
  await using home = new Home();
  for (const id of ["my-app", "my.app", "my:app", "mine"]) await home.json(["claim", id]);
  const { code, out, err } = await home.run(["env"]);
  expect(code).toBe(1);
  expect(out).toMatch(/^export MINE_PORT='\d+'\nexport MINE_URL='http:\/\/localhost:\d+'\n$/);
  expect(err).toBe("left out: my-app and my.app and my:app would both be MY_APP_PORT\n");
  expect(await home.run(["env", "my-app"])).toMatchObject({ code: 0, err: "" });
});
