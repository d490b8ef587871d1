/** Keys that sshd(8) reads, and accepts from nowhere or no longer: apply and config check tell; and keys in other formats. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { configReportSchema } from "../../src/lint/report-schema.ts";
import type { Machine } from "../machine/machine.ts";
import type { Sshd } from "../machine/sshd.ts";
import { reportOf } from "../report.ts";
import { KEYS, linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/j";
const FILE = "/etc/jailkit/jails.d/one.ini";
const CLIENT = "/run/machine-ssh/client.pub";
const AUTHORIZED = "/run/machine-ssh/authorized";
let m: Machine;
let sshd: Sshd;

const declare = (...lines: readonly string[]) =>
  m.write(
    FILE,
    `[user ann]\njail = ${J}\nshell = /bin/bash\nauthorized_keys =\n${lines.map((line) => `  ${line}\n`).join("")}`,
  );
const findings = () =>
  reportOf(configReportSchema, m.run(["jailkit", "config", "check", "--json", FILE]).stdout).findings;

/** Whether sshd accepts the key of its client with these options, from 127.0.0.1. */
function letsIn(options: string): boolean {
  m.write(AUTHORIZED, `${options} ${m.read(CLIENT).trim()}\n`);
  return sshd.ssh("bob", ["true"]).status === 0;
}

beforeAll(async () => {
  m = await openApplyMachine();
  m.must(["jk_init", "-j", J, "basicshell"]);
  m.addUser("bob", { createHome: true });
  sshd = await m.startSshd();
  m.write(FILE, "");
  m.must(["jailkit", "apply"]);
});
afterAll(() => m?.close());

describe("from nowhere", () => {
  test.each([
    ['from="127.0.0.1/8"', "has '127.0.0.1/8', an address with bits after the first 8", 'from="127.0.0.0/8"'],
    [
      'from="10.0.0.1,!127.0.0.1/24,127.0.0.1"',
      "has '127.0.0.1/24'",
      'from="10.0.0.1,!127.0.0.0/24,127.0.0.1"',
    ],
    ['from="127.0.0.0/33"', "has '127.0.0.0/33', and an address has 32 bits", undefined],
    [
      'from="::1/64"',
      "has '::1/64', an address with bits after the first 64, which is no network",
      undefined,
    ],
    ['from="::/129"', "has '::/129', and an address has 128 bits", undefined],
    ['from="10.0.0.0/1000,127.0.0.1"', "has '10.0.0.0/1000', and an address has 32 bits", undefined],
    ['from="127.0.0.0/255.0.0.0"', "has no address, network or name", undefined],
    ['from="!10.0.0.1"', "has no address, network or name", undefined],
    ['from=""', "is empty", undefined],
    ['from="127.0.0.1,"', "has a comma too many", undefined],
    ['from="127.0.0.1,!,10.0.0.1"', "has a comma too many", undefined],
  ])("%s", (options, why, mended) => {
    expect(letsIn(options)).toBe(false);
    declare(KEYS[0], `${options} ${KEYS[1]}`);
    const said = {
      file: FILE,
      line: 6,
      column: 3,
      message: expect.stringContaining(`the option 'from' ${why}`),
    };
    const [finding, ...more] = findings();
    expect([finding, more]).toMatchObject([{ ...said, severity: "error", code: "bad-key" }, []]);
    const { status, summary } = linesOf(m);
    expect([status, summary.problems]).toMatchObject([1, [said]]);
    expect([summary.problems[0]?.remedy, mended === undefined]).toEqual([
      finding?.remedy,
      finding?.remedy === null,
    ]);
    if (mended === undefined) return;
    m.must(["sh", "-c", finding?.remedy ?? "false"]);
    expect([findings(), m.read(FILE).split("\n")[5]]).toEqual([[], `  ${mended} ${KEYS[1]}`]);
  });

  test.each([
    'from="127.0/8"',
    'from="127.0.0.0/008"',
    'from="10.0.0.0/255.0.0.0,127.0.0.1"',
    'from="10.0.0.0/,127.0.0.1"',
    'from="10.0.0.0/0000008,127.0.0.1"',
    'from="127.0.0.*,!10.0.0.0/8"',
  ])("%s lets in, and is declared", (options) => {
    expect(letsIn(options)).toBe(true);
    declare(`${options} ${KEYS[0]}`);
    expect(findings()).toEqual([]);
  });
});

test("a key that has expired is a warning", () => {
  const options = 'expiry-time="20200101"';
  expect([letsIn(options), letsIn('expiry-time="20400101"')]).toEqual([false, true]);
  declare(`expiry-time="20400101" ${KEYS[0]}`, `${options} ${KEYS[1]}`);
  const message =
    "sshd does not accept this key any more, by its option 'expiry-time': write a later time, or take the key out";
  expect(findings()).toMatchObject([
    { severity: "warning", code: "expired-key", file: FILE, line: 6, column: 3, message },
  ]);
  for (const check of [["--check"], []]) {
    const { stderr, summary } = linesOf(m, ...check);
    expect(summary.problems).toEqual([]);
    expect(`${stderr}${JSON.stringify(summary)}`).toContain(message);
  }
  expect(linesOf(m)).toMatchObject({ status: 0, changes: [] });
});

test.each([
  [["ssh-keygen", "-e", "-f", CLIENT], "RFC 4716", "ssh-keygen -i -f FILE"],
  [["ssh-keygen", "-e", "-m", "PKCS8", "-f", "/tmp/rsa.pub"], "PKCS8", "ssh-keygen -i -m PKCS8 -f FILE"],
  [["ssh-keygen", "-e", "-m", "PEM", "-f", "/tmp/rsa.pub"], "PEM", "ssh-keygen -i -m PEM -f FILE"],
])("%p is one error", (command, format, convert) => {
  for (const file of ["/tmp/rsa", "/tmp/rsa.pub"]) m.remove(file);
  m.must(["ssh-keygen", "-q", "-t", "rsa", "-N", "", "-f", "/tmp/rsa"]);
  const text = m.must(command).stdout;
  declare(KEYS[0], ...text.trim().split("\n"), KEYS[1]);
  const message = `'authorized_keys', line 6: is a key in the format of ${format}: convert it with '${convert}'`;
  expect(findings()).toMatchObject([{ code: "bad-key", line: 6, message }]);
  // What it says is typed.
  m.write("/tmp/foreign", text);
  declare(KEYS[0], m.must(convert.replace("FILE", "/tmp/foreign").split(" ")).stdout.trim());
  expect(findings()).toEqual([]);
});
