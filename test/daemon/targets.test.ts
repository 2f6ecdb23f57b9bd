// Where a webhook may go: every address that a name has is judged, however it is written, and nothing that we send may
// come back to us.

import { expect, test } from "bun:test";
import { readConfig } from "../../src/config.ts";
import { Fault } from "../../src/contract/faults.ts";
import { checkTarget, findTarget, type TargetRules } from "../../src/daemon/targets.ts";
import { makeSide } from "../scenario.ts";

/** A port of the daemon's own. */
const ownPort = 9876;

/** The rules with a setting of PORT_DADDY_WEBHOOK_ALLOW, in a world where names have the addresses given. */
function rules(allow = "", names: Record<string, string[]> = {}): TargetRules {
  return {
    allow: readConfig({ HOME: "/home/ada", PORT_DADDY_WEBHOOK_ALLOW: allow }).webhookAllow,
    ownPorts: new Set([ownPort]),
    resolve: async (name) => names[name] ?? [],
  };
}

async function refusalOf(url: string, by = rules()): Promise<Fault> {
  const passed = await findTarget(url, by).catch((error: unknown) => error);
  if (!(passed instanceof Fault)) throw new Error(`${url} passed: ${JSON.stringify(passed)}`);
  return passed;
}

const loopback = "it is this machine's loopback";
const linkLocal = "it is link-local, where clouds keep their metadata";
const nowhere = "it is no address to send to";
const privateAddress = "it is a private address";
const shared = "it is in a carrier's shared network";
const reserved = "it is multicast, broadcast or reserved";
const testNetwork = "it is a test network";

test.each([
  ["127.0.0.1", loopback],
  ["127.255.255.254", loopback],
  ["127.1", loopback],
  ["127.0.1", loopback],
  ["2130706433", loopback],
  ["0x7f000001", loopback],
  ["0x7f.1", loopback],
  ["0177.0.0.1", loopback],
  ["017700000001", loopback],
  ["127.0.0.1.", loopback],
  ["%31%32%37.0.0.1", loopback],
  ["１２７。０。０。１", loopback],
  ["[::1]", loopback],
  ["[0:0:0:0:0:0:0:1]", loopback],
  ["[::ffff:127.0.0.1]", loopback],
  ["[::ffff:7f00:1]", loopback],
  ["[::127.0.0.1]", loopback],
  ["[64:ff9b::7f00:1]", loopback],
  ["[2002:7f00:1::]", loopback],
  ["[2002:7f00:1:ffff::808:808]", loopback],
  ["0.0.0.0", nowhere],
  ["0", nowhere],
  ["0.1.2.3", nowhere],
  ["[::]", nowhere],
  ["[::ffff:0.0.0.0]", nowhere],
  ["10.0.0.1", privateAddress],
  ["172.16.0.1", privateAddress],
  ["172.31.255.255", privateAddress],
  ["192.168.1.1", privateAddress],
  ["[::ffff:192.168.1.1]", privateAddress],
  ["[64:ff9b::a00:1]", privateAddress],
  ["[fc00::1]", privateAddress],
  ["[fd00::1]", privateAddress],
  ["[fdff:ffff::1]", privateAddress],
  ["[fec0::1]", privateAddress],
  ["169.254.169.254", linkLocal],
  ["2852039166", linkLocal],
  ["[::ffff:169.254.169.254]", linkLocal],
  ["[2002:a9fe:a9fe::]", linkLocal],
  ["[fe80::1]", linkLocal],
  ["[febf::1]", linkLocal],
  ["100.64.0.0", shared],
  ["100.127.255.255", shared],
  ["192.0.2.1", testNetwork],
  ["198.18.0.1", testNetwork],
  ["[2001:db8::1]", testNetwork],
  ["224.0.0.1", reserved],
  ["239.255.255.250", reserved],
  ["240.0.0.1", reserved],
  ["255.255.255.255", reserved],
  ["[ff02::1]", reserved],
  ["[2001:0:7f00:1::]", reserved],
])("nothing goes to %s", async (host, reason) => {
  const shown = new URL(`http://${host}:81/`).host;
  const fault = await refusalOf(`http://${host}:81/`);
  expect(fault.code).toBe("invalid_input");
  // A dot at the end makes it a name, which is said to be that address.
  expect(fault.message).toStartWith(`Webhooks may not go to ${shown}: `);
  expect(fault.message).toEndWith(reason);
  expect(fault.hint).toEndWith("then: port-daddy restart");
});

// RFC 8215: the network of local translators is not the internet's, and where in an address the IPv4 one lies is each
// operator's choice.
test.each([
  ["[64:ff9b:1:7f00:0:100:808:808]", "a local translator's 127.0.0.1"],
  ["[64:ff9b:1::808:808]", "a local translator's"],
  ["[3fff::1]", "for documentation (RFC 9637)"],
  ["[5f00::1]", "of segment routing (RFC 9602)"],
])("nothing goes to %s, which is %s", async (host) => {
  expect((await refusalOf(`http://${host}/`)).code).toBe("invalid_input");
});

test.each([
  "8.8.8.8",
  "1.1.1.1",
  "11.0.0.1",
  "100.63.255.255",
  "100.128.0.0",
  "126.255.255.255",
  "128.0.0.1",
  "169.253.255.255",
  "172.15.255.255",
  "172.32.0.0",
  "192.167.255.255",
  "192.169.0.0",
  "223.255.255.255",
  "[2606:4700:4700::1111]",
  "[2a00:1450:4001:80b::200e]",
  "[64:ff9b::808:808]",
  "[::ffff:8.8.8.8]",
])("%s is public, and the connection goes there", async (host) => {
  const target = await findTarget(`https://${host}/hook?a=1`, rules());
  expect(target.url.href).toBe(new URL(`https://${host}/hook?a=1`).href);
  expect(target.addresses).toEqual([target.url.hostname.replace(/[[\]]/g, "")]);
});

test.each(["localhost", "localhost.", "LOCALHOST", "x.localhost", "loc%61lhost"])(
  "nothing goes to the name %s, which is loopback",
  async (host) => {
    const names = { localhost: ["127.0.0.1"], "x.localhost": ["::1"] };
    const { message } = await refusalOf(`http://${host}:3000/`, rules("", names));
    expect(message).toMatch(/localhost\.?:3000: (x\.)?localhost is (127\.0\.0\.1|::1): it is this/);
  },
);

test("a name with a public and a private address is refused, whichever comes first", async () => {
  for (const addresses of [
    ["93.184.215.14", "10.0.0.7"],
    ["10.0.0.7", "93.184.215.14"],
    ["2606:4700::1111", "93.184.215.14", "::ffff:10.0.0.7"],
  ]) {
    const by = rules("", { "two.example": addresses });
    expect((await refusalOf("https://two.example/", by)).message).toMatch(
      /^Webhooks may not go to two\.example: two\.example is \S*10\.0\.0\.7: it is a private address$/,
    );
  }
});

test("an address with a zone, which no URL can hold, is none to go to", async () => {
  const by = rules("", { "near.example": ["fe80::1%eth0"] });
  const { message } = await refusalOf("http://near.example/", by);
  expect(message).toEndWith("it is of one network interface alone");
});

test("a name is looked up once for each delivery, and the connection goes to what was looked at", async () => {
  const answers = [["93.184.215.14"], ["127.0.0.1"]];
  let lookups = 0;
  const by: TargetRules = { ...rules(), resolve: async () => answers[lookups++] ?? [] };
  expect((await findTarget("http://turning.example/", by)).addresses).toEqual(["93.184.215.14"]);
  expect(lookups).toBe(1);
  expect((await refusalOf("http://turning.example/", by)).message).toEndWith(loopback);
});

test("a name that does not resolve may be added, for it may do so later, and is not delivered to", async () => {
  const by = rules();
  await checkTarget("https://later.example/", by);
  const fault = await refusalOf("https://later.example/", by);
  expect([fault.code, fault.message]).toEqual([
    "unavailable",
    "The name later.example cannot be resolved",
  ]);
  const failing = { ...by, resolve: async () => Promise.reject(new Error("SERVFAIL")) };
  await checkTarget("https://later.example/", failing);
  expect((await refusalOf("https://later.example/", failing)).code).toBe("unavailable");
});

test.each(["ada:lovelace@", "ada@", ":lovelace@"])(
  "a URL with %s in it is refused, and what it holds is not repeated",
  async (credentials) => {
    const fault = await refusalOf(`https://${credentials}8.8.8.8/`);
    expect(fault.code).toBe("invalid_input");
    expect(JSON.stringify(fault.toBody())).not.toMatch(/lovelace|ada/);
  },
);

test.each([
  "127.0.0.1",
  "127.8.8.8",
  "[::1]",
  "0.0.0.0",
  "[::]",
  "[::ffff:127.0.0.1]",
  "localhost",
])("the daemon's own port at %s is refused also where everything is allowed", async (host) => {
  const by = rules("0.0.0.0/0,::/0,localhost", { localhost: ["::1"] });
  const { message } = await refusalOf(`http://${host}:${ownPort}/claim/x`, by);
  expect(message).toEndWith("that is the daemon itself");
  expect((await findTarget(`http://${host}:${ownPort + 1}/`, by)).url.port).toBe("9877");
});

test.each(["0.0.0.0/0", "::/0"])(
  "the daemon's own port at [::ffff:0.0.0.0], which Linux takes for loopback, is refused also where %s is allowed",
  async (allow) => {
    const { message } = await refusalOf(`http://[::ffff:0.0.0.0]:${ownPort}/`, rules(allow));
    expect(message).toEndWith("that is the daemon itself");
  },
);

test("the daemon's own port elsewhere is somebody else's, and a port left out is the scheme's", async () => {
  await findTarget(`http://8.8.8.8:${ownPort}/`, rules());
  const by = { ...rules("127.0.0.1"), ownPorts: new Set([80]) };
  expect((await refusalOf("http://127.0.0.1/", by)).message).toEndWith("that is the daemon itself");
  await findTarget("https://127.0.0.1/", by);
});

const names = {
  "ci.local": ["10.1.2.3", "fd00::7"],
  "sub.ci.local": ["10.1.2.3"],
  "other.local": ["10.1.2.4"],
};
test.each([
  ["127.0.0.1", "http://127.0.0.1:1/", "http://127.0.0.2:1/"],
  ["127.0.0.1", "http://2130706433:1/", "http://[::1]:1/"],
  ["10.0.0.0/8", "http://10.255.0.1/", "http://192.168.0.1/"],
  ["10.1.2.3/32", "http://sub.ci.local/", "http://other.local/"],
  ["10.0.0.0/8", "http://other.local/", "http://ci.local/"],
  ["10.0.0.0/8,fd00::/8", "http://ci.local/", "http://[fe80::1]/"],
  ["ci.local", "http://ci.local:8080/", "http://10.1.2.3/"],
  ["CI.Local", "http://cI.loCal./", "http://sub.ci.local/"],
  ["::1", "http://[::1]:1/", "http://127.0.0.1:1/"],
  ["[::1]", "http://[0::1]:1/", "http://[fd00::1]:1/"],
  [" ci.local , 192.168.0.0/16", "http://192.168.4.4/", "http://10.0.0.1/"],
])("PORT_DADDY_WEBHOOK_ALLOW=%s lets through %s, not %s", async (allow, open, closed) => {
  await findTarget(open, rules(allow, names));
  expect((await refusalOf(open, rules("", names))).code).toBe("invalid_input");
  expect((await refusalOf(closed, rules(allow, names))).code).toBe("invalid_input");
});

test.each([
  "10.0.0.0/",
  "10.0.0.0/-0",
  "10.0.0.0/8/24",
  "10.0.0.0/0x8",
  "10.0.0.0/33",
  "10.0.0.0/1.5",
  "::1/",
  "::1/129",
  "ci.local/8",
  "10.0.0/8",
  "http://ci.local",
  "ci.local:80",
  "*.ci.local",
  "*",
  "ci.local,",
  "a b",
])("PORT_DADDY_WEBHOOK_ALLOW=%s is a mistake that is named, not a hole", (allow) => {
  expect(() => rules(allow)).toThrow("PORT_DADDY_WEBHOOK_ALLOW must be");
});

test("what a refusal says to set lets that receiver through", async () => {
  const resolved = { "ci.local": ["10.1.2.3"] };
  for (const host of ["127.0.0.1", "[::1]", "ci.local", "ci.local.", "[::ffff:10.0.0.1]"]) {
    const { hint } = await refusalOf(`http://${host}:3000/`, rules("", resolved));
    const allow = /PORT_DADDY_WEBHOOK_ALLOW=(\S+),/.exec(hint!)![1]!;
    await findTarget(`http://${host}:3000/`, rules(allow, resolved));
  }
});

/** The app with the true rules in it. */
function makeGuarded(by = rules()) {
  const side = makeSide();
  side.daemon.checkTarget = (url) => checkTarget(url, by);
  return side;
}

test.each([
  "file:///etc/passwd",
  "ftp://8.8.8.8/",
  "gopher://8.8.8.8/",
  "ws://8.8.8.8/",
  "javascript:alert(1)",
  "data:text/plain,x",
  "unix:/run/docker.sock",
  "//8.8.8.8/",
  "8.8.8.8",
  "http://",
  "http://[fe80::1%25eth0]/",
  "http://a b/",
  "",
])("the URL %p is none to deliver to, neither when added nor when updated", async (url) => {
  const { play } = makeGuarded();
  const refused = { status: 400, answer: { code: "invalid_input" }, events: [] };
  const { error } = await play({ method: "POST", path: "/webhooks", body: { url }, ...refused });
  expect(error).toMatch(/^url must be a URL \(http, https\)/);
  const { id } = await play({
    method: "POST",
    path: "/webhooks",
    body: { url: "https://8.8.8.8/" },
  });
  await play({ method: "PUT", path: `/webhooks/${id}`, body: { url }, ...refused });
  await play({ path: `/webhooks/${id}`, answer: { url: "https://8.8.8.8/" } });
});

test("a forbidden URL is refused by POST and by PUT with the reason and what to do, and nothing is written", async () => {
  const { play } = makeGuarded();
  const url = "http://169.254.169.254/latest/meta-data/";
  const refused = {
    status: 400,
    answer: {
      code: "invalid_input",
      error: `Webhooks may not go to 169.254.169.254: ${linkLocal}`,
      field: "url",
      hint: "for a receiver of your own: export PORT_DADDY_WEBHOOK_ALLOW=169.254.169.254, then: port-daddy restart",
    },
    events: [],
  };
  await play({ method: "POST", path: "/webhooks", body: { url }, ...refused });
  expect((await play({ path: "/webhooks" })).count).toBe(0);
  const { id } = await play({
    method: "POST",
    path: "/webhooks",
    body: { url: "https://8.8.8.8/" },
  });
  await play({ method: "PUT", path: `/webhooks/${id}`, body: { url, active: false }, ...refused });
  await play({ path: `/webhooks/${id}`, answer: { url: "https://8.8.8.8/", active: true } });
});
