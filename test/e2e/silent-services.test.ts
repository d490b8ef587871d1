/**
 * A name service that hangs: nss_systemd(8) asks a socket that a program of ours listens on, and never answers. Whoever
 * waits is told so, nothing is believed that comes after half a minute, and the service is asked once.
 */
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from "bun:test";
import { checkReportSchema } from "../../src/check/report/report-schema.ts";
import { listReportSchema } from "../../src/jails/report-schema.ts";
import { updateReportSchema } from "../../src/update/report-schema.ts";
import { installTools, type Machine, type MachineProcess, openMachine } from "../machine/machine.ts";
import { openTerminal } from "../machine/terminal.ts";
import { reportOf } from "../report.ts";
import { installNssSystemd } from "./archives.ts";

setDefaultTimeout(180_000);

const JAILS = ["/srv/a", "/srv/b"];
/** Jails of jailkit 2.23: jk_update removes their limited shell, if no user needs it. */
const OLD_JAILS = ["/srv/old1", "/srv/old2"];
const SOCKET = "/run/systemd/userdb/io.systemd.NeverAnswers";
const LISTEN = `use IO::Socket::UNIX;
my $s = IO::Socket::UNIX->new(Local => '${SOCKET}', Listen => 64) or die $!;
$| = 1; print 'up'; my @all; while (my $c = $s->accept) { push @all, $c; print " asked"; }`;

let m: Machine;
let silence: MachineProcess;
beforeAll(async () => {
  m = await openMachine({ under: "debian" });
  for (const [index, jail] of OLD_JAILS.entries()) {
    m.mkdir(jail);
    for (const section of ["jk_lsh", "basicshell"]) m.must(["jk_init", "-j", jail, section]);
    m.addUser(`old${index}`, { home: `${jail}/./home/old`, shell: "/usr/sbin/jk_chrootsh" });
  }
  installTools(m, "ours");
  installNssSystemd(m);
  const nss = m.read("/etc/nsswitch.conf").replace(/^(passwd|group):.*$/gm, "$1: files systemd");
  m.write("/etc/nsswitch.conf", nss);
  for (const jail of JAILS) m.must(["jk_init", "-j", jail, "basicshell"]);
  for (const jail of [...JAILS, ...OLD_JAILS]) {
    // Only a name service could know it.
    m.write(`${jail}/etc/passwd`, `${m.read(`${jail}/etc/passwd`)}ghost:x:7001:7001::/home/ghost:/bin/sh\n`);
  }
  m.mkdir("/run/systemd/userdb");
});
afterAll(() => m?.close());
beforeEach(async () => {
  m.remove(SOCKET);
  silence = m.start(["perl", "-e", LISTEN]);
  await silence.until(({ stdout }) => stdout.includes("up") || undefined);
});
afterEach(() => silence.kill());

const WAITING = "still waiting for the name services (/etc/nsswitch.conf), now for ";

describe("a line says which look-up waits", () => {
  test.each([
    ["jailkit list", ["jailkit", "list"], "the user 'ghost'", 0],
    ["jk_check", ["jk_check", "/srv/a"], "the user 'ghost'", 1],
    ["jk_check", ["jk_check", "--jobs", "2"], "the user 'ghost'", 1],
    ["jk_update", ["jk_update", "--all", "--check", "--jobs", "2"], "the user 'ghost'", 10],
    ["jailkit explain", ["jailkit", "explain", "--su", "ghost"], "the user 'ghost'", 1],
    ["jk_jailuser", ["jk_jailuser", "-n", "-j", "/srv/a", "ghost"], "the user 'ghost'", 1],
  ])("%s: %j", async (tool, words, what, status) => {
    const run = m.start(words);
    await run.until(({ stderr }) => stderr.includes(`${tool}: ${WAITING}${what}\n`) || undefined);
    // Its end is an answer: it has no such account.
    silence.kill();
    expect((await run.ended).status).toBe(status);
  });

  test("jk_update --all on a terminal: the counter is drawn again below the line", async () => {
    const env = { TERM: "xterm", PATH: "/usr/sbin:/usr/bin:/sbin:/bin" };
    const terminal = openTerminal(m, ["jk_update", "--all", "--check", "--jobs", "2"], { env });
    await terminal.see("jk_update: 2 of 4 jails (50 %)\r\x1b[Kjk_update: still waiting");
    await terminal.see("jk_update: 2 of 4 jails (50 %)");
    silence.kill();
    expect((await terminal.process.ended).status).toBe(10);
  });

  test.each([["jailkit list"], ["jk_check"], ["jk_update --all --check"]])(
    "Ctrl-C ends %s",
    async (words) => {
      const run = m.start(words.split(" "));
      await run.until(({ stderr }) => stderr.includes(WAITING) || undefined);
      run.kill("SIGINT");
      expect((await run.ended).signal).toBe("SIGINT");
    },
  );
});

test("after 45 seconds of silence nothing is believed: not that an account is missing, and no other question is asked", async () => {
  const started = [
    ["jailkit", "list", "--json"],
    ["jk_check", "--json", "/srv/a"],
    ["jk_update", "--all", "--check", "--json", "--jobs", "2"],
  ].map((words) => m.start(words).ended);
  const [list, check, update] = await Promise.all(started);
  const silent = "a name service does not answer (passwd: files systemd in /etc/nsswitch.conf)";
  const { jails } = reportOf(listReportSchema, list?.stdout ?? "");
  const more = jails.map(({ moreUsers }) => moreUsers);
  expect([list?.status, more]).toEqual([0, more.map(() => expect.stringContaining(silent))]);
  const checked = reportOf(checkReportSchema, check?.stdout ?? "").jails[0];
  expect([check?.status, checked?.problems.map(({ code }) => code)]).toEqual([2, ["name-service"]]);
  expect(checked?.findings.filter(({ message }) => message.includes("ghost"))).toEqual([]);
  const { jails: updated } = reportOf(updateReportSchema, update?.stdout ?? "");
  const kept = updated.map((jail) => jail.kept.some(({ reason }) => reason.includes(silent)));
  expect([update?.status, kept]).toEqual([0, [false, false, true, true]]);
  for (const run of [list, check, update]) expect(run?.stderr).not.toContain(WAITING);
  // One question for each process.
  expect(silence.stdout.match(/asked/g)?.length).toBe(4);
});
