/** `jailkit apply` plans the contents of new jails once: what it looked at before it acts counts when it acts. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { KEYS, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const TOOL = "/opt/tool";
const INI = "/etc/jailkit/jk_init.d/own.ini";
let m: Machine;

beforeAll(async () => {
  m = await openApplyMachine();
  m.must(["cp", "/usr/bin/wc", TOOL]);
  m.mkdir("/etc/jailkit/jk_init.d", { mode: 0o755 });
  m.write(INI, `[own]\npaths = ${TOOL}\nincludesections = uidbasics\n`);
});
afterAll(() => m?.close());

/** Declares new jails of one section. */
const declare = (...jails: readonly string[]) =>
  m.write("/etc/jailkit/jails.d/new.ini", jails.map((jail) => `[jail ${jail}]\nsections = own\n`).join(""));

/** How often a run reads the program to find out what it needs. */
function planned(...options: readonly string[]): number {
  const trace = ["strace", "-f", "-qq", "-y", "-o", "/root/trace", "-e", "trace=pread64,read"];
  expect(m.run([...trace, "jailkit", "apply", ...options]).status).toBe(options.length === 0 ? 0 : 10);
  const reads = m.read("/root/trace").split("\n");
  return reads.filter((line) => line.includes(`<${TOOL}>, "\\177ELF`)).length;
}

/** Removes the jails, with the plans that are kept of them. */
function startOver(): void {
  m.must(["sh", "-c", "rm -rf /srv/new* /var/lib/jailkit"]);
}

test("a run does not plan again what it planned before it began", () => {
  declare("/srv/new1");
  let reads = 0;
  // What a plan looks at must be some seconds old.
  for (let attempt = 0; attempt < 60 && reads !== 1; attempt++) {
    startOver();
    reads = planned();
  }
  expect(reads).toBe(1);
  // The jails after it, too, by the plan that is kept of the first one.
  startOver();
  declare("/srv/new1", "/srv/new2", "/srv/new3");
  expect(planned()).toBe(1);
  expect(m.snapshot("/srv/new1/opt")).toEqual(m.snapshot("/srv/new3/opt"));
});

test("a jail of files alone is planned once, too", () => {
  const files = (...jails: readonly string[]) =>
    m.write(
      "/etc/jailkit/jails.d/new.ini",
      jails.map((jail) => `[jail ${jail}]\nfiles = ${TOOL}\n`).join(""),
    );
  startOver();
  files("/srv/new1");
  expect(planned()).toBe(1);
  expect(m.read(`/srv/new1${TOOL}`) === m.read(TOOL)).toBe(true);
  startOver();
  files("/srv/new1", "/srv/new2", "/srv/new3");
  expect(planned()).toBe(1);
  expect(m.snapshot("/srv/new1")).toEqual(m.snapshot("/srv/new3"));
});

test("a new account is planned once, also with keys and a home that is there", () => {
  startOver();
  const text = (more: string) =>
    `[jail /srv/new1]\nsections = uidbasics, basicshell\n[user x]\njail = /srv/new1\nshell = /bin/bash\nuid = 7001\n${more}`;
  m.write("/etc/jailkit/jails.d/new.ini", text("").split("[user")[0] ?? "");
  m.must(["jailkit", "apply"]);
  m.mkdir("/srv/new1/home/x", { owner: [7001, 100] });
  /** How often the account is looked up: each plan does so. */
  const lookUps = (more: string): number => {
    m.write("/etc/jailkit/jails.d/new.ini", text(more));
    const trace = ["strace", "-f", "-qq", "-o", "/root/trace", "-P", "/etc/passwd", "-e", "trace=openat"];
    const { status, stdout } = m.run([...trace, "jailkit", "apply", "--check"]);
    expect([status, stdout]).toEqual([10, expect.stringContaining("+ user x")]);
    // Not the end of a process that looked at keyrings.
    return m.read("/root/trace").match(/ openat\(/g)?.length ?? 0;
  };
  expect(lookUps(`authorized_keys = ${KEYS[0]}\n`)).toBe(lookUps(""));
  m.remove("/etc/jailkit/jails.d/new.ini");
});

test("--check plans the same sections once, and keeps nothing", () => {
  startOver();
  declare("/srv/new1", "/srv/new2");
  const sections = m.read("/etc/jailkit/jails.d/new.ini");
  m.write("/etc/jailkit/jails.d/new.ini", `${sections}files = /usr/bin/who\n`);
  expect(planned("--check")).toBe(1);
  expect(m.exists("/var/lib/jailkit")).toBe(false);
});
