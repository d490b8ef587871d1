/** A name service that takes an interrupted system call for a failure: the line about a look-up that waits interrupts none. */
import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { compiledC } from "../machine/helper.ts";
import { type Machine, openMachine } from "../machine/machine.ts";

setDefaultTimeout(120_000);

const ANSWER = "/run/answer";
const WAITING = ": still waiting for the name services (/etc/nsswitch.conf), now for the user 'ghost'\n";
let m: Machine;

beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  const library = compiledC(join(import.meta.dir, "nss-waits.c"), ["-shared", "-fPIC"]);
  const [libc = ""] = /\/\S*\/libc\.so\.6/.exec(m.must(["ldd", "/bin/sh"]).stdout) ?? [];
  m.write(`${dirname(libc)}/libnss_waits.so.2`, readFileSync(library), { mode: 0o755 });
  m.write("/etc/nsswitch.conf", m.read("/etc/nsswitch.conf").replace(/^passwd:.*$/m, "passwd: files waits"));
  for (const jail of ["/srv/a", "/srv/b"]) {
    m.must(["jk_init", "-j", jail, "basicshell"]);
    m.write(`${jail}/etc/passwd`, `${m.read(`${jail}/etc/passwd`)}ghost:x:7001:7001::/home/ghost:/bin/sh\n`);
  }
});
afterAll(() => m?.close());
beforeEach(() => {
  m.remove(ANSWER);
  m.must(["mkfifo", ANSWER]);
});

const SHELL = "user ghost has a /./ but does not have the /usr/sbin/jk_chrootsh shell";

test.each([
  ["jailkit list", ["jailkit", "list"], "ready  ghost "],
  ["jk_check", ["jk_check", "/srv/a"], SHELL],
  ["jk_check", ["jk_check", "--jobs", "2"], SHELL],
  ["jailkit explain", ["jailkit", "explain", "--su", "ghost"], "/bin/sh"],
])("%s: %j", async (tool, words, known) => {
  const run = m.start(words);
  await run.until(({ stderr }) => stderr.includes(`${tool}${WAITING}`) || undefined);
  // It stays there, so every look-up is answered. Something must keep the FIFO open.
  const answer = m.start(["sh", "-c", `exec 3<>${ANSWER}; echo yes >&3; echo up; exec sleep 1000`]);
  await answer.until(({ stdout }) => stdout.includes("up") || undefined);
  const { stdout, stderr } = await run.ended;
  answer.kill();
  expect(stderr).toBe(`${tool}${WAITING}`);
  expect(stdout).toContain(known);
});
