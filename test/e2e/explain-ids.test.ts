/**
 * Error ids: the id that a refused user saw is found in rsyslog's files and in the journal, with who, when, which check
 * and what to do, and whether it still fails. Lines that others wrote are told apart from those of the programs.
 */
import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { idReportSchema } from "../../src/explain/report-schema.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";

setDefaultTimeout(120_000);

const J = "/srv/j";
const LOG = "/var/log/auth.log";

let m: Machine;
let uid: number;
beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  m.must(["jk_init", "-j", J, "basicshell"]);
  m.must(["jk_addjailuser", "-j", J, "-s", "/bin/sh", "u"]);
  uid = m.ids("u").uid;
  for (const name of m.list("/var/log"))
    if (/^(?:auth|syslog|messages|secure)/.test(name)) m.remove(`/var/log/${name}`);
  m.remove("/var/log/journal");
  m.write(
    "/run/rsyslog.conf",
    `module(load="imuxsock" SysSock.RateLimit.Interval="0")\nauth.* action(type="omfile" file="${LOG}")\n`,
  );
  m.start(["/usr/sbin/rsyslogd", "-n", "-f", "/run/rsyslog.conf", "-i", "/run/rsyslogd.pid"]);
  await until(() => m.exists("/dev/log"));
});
afterAll(() => m?.close());
beforeEach(() => m.must(["chown", `${uid}`, `${J}/home/u`]));

const refuse = (): string => {
  m.chown(`${J}/home/u`, 0, m.ids("u").gid);
  const { status, stderr } = m.run(["/usr/sbin/jk_chrootsh"], { user: "u", env: { USER: "u" } });
  expect(status).toBe(53);
  return /JK-[A-Z2-7]{8}/.exec(stderr)?.[0] ?? "none";
};
/** Goes on when something is so, and lets other work be done meanwhile. */
async function until(is: () => boolean): Promise<void> {
  while (!is()) await new Promise(setImmediate);
}
const written = (text: string) => until(() => m.exists(LOG) && m.read(LOG).includes(text));
const explain = (...words: string[]) => m.run(["jailkit", "explain", ...words]);

const json = (id: string) => reportOf(idReportSchema, explain("--json", id).stdout);

test("however many lines a user writes with the id, the true one is reported, and the search ends", async () => {
  const id = refuse();
  await written(id);
  const forged = (at: number) =>
    `Jan  1 00:00:00 h jk_chrootsh[1]: ${id}: ${at} ${"x".repeat(1000)} (check shell, uid 0)\n`;
  m.write(LOG, `${m.read(LOG)}${Array.from({ length: 5000 }, (_each, at) => forged(at)).join("")}`);
  const { refusals } = json(id);
  expect(refusals[0]?.check).toBe("home-owner");
  expect(refusals.length).toBeLessThanOrEqual(1000);
  expect(explain(id).stdout).toContain(`not read: ${LOG} after 1000 lines`);
  m.write(LOG, "");
});

test("a journal without an end", () => {
  const kept = m.read("/usr/bin/journalctl");
  m.write("/usr/bin/journalctl", "#!/bin/sh\nexec cat /dev/zero\n", { mode: 0o755 });
  expect(explain("JK-AAAAAAAA").stdout).toContain("not read: the journal after ");
  m.write("/usr/bin/journalctl", "#!/bin/sh\nexec yes '{}'\n", { mode: 0o755 });
  expect(explain("JK-AAAAAAAA").stdout).toContain("not read: the journal after ");
  m.write("/usr/bin/journalctl", kept, { mode: 0o755 });
});

test("of a file: who, when, which check, what to do, and that it still fails; after the fix, that it does not", async () => {
  const id = refuse();
  await written(id);
  const { status, stdout } = explain(id);
  expect(status).toBe(1);
  expect(stdout).toMatch(
    new RegExp(
      `^${id}:\n  when: \\S.* \\(${LOG}\\)\n  program: jk_chrootsh\\[\\d+\\]\n  user: u \\(${uid}\\)\n  check: home-owner\n` +
        `  reason: abort, path ${J}/./home/u is not owned by ${uid}\nnow: still refused: `,
    ),
  );
  expect(json(id)).toMatchObject({
    refusals: [{ source: LOG, program: "jk_chrootsh", uid, user: "u", check: "home-owner", doubt: null }],
    now: { refused: true, remedy: `chown -h +${uid} ${J}/./home/u` },
  });
  m.must(["sh", "-c", json(id).now?.remedy ?? "false"]);
  expect(explain(id).status).toBe(0);
  expect(explain(id).stdout).toContain("\nnow: not refused any more: ");
});

test("of jk_lsh in a jail, whose file cannot be used: what to do, and after it nothing more", async () => {
  m.must(["jk_addjailuser", "-j", J, "-s", "/usr/sbin/jk_lsh", "lima"]);
  m.write(`${J}/etc/jailkit/jk_lsh.ini`, "[lima]\nexecutables = /bin/ls\numask = yes\n");
  const command = ["/usr/sbin/jk_chrootsh", "-c", "ls"];
  const { stderr, status } = m.run(command, { user: "lima", env: { USER: "lima" } });
  expect(status).toBe(1);
  const id = /JK-[A-Z2-7]{8}/.exec(stderr)?.[0] ?? "none";
  await written(id);
  const found = json(id);
  expect(found).toMatchObject({
    refusals: [{ program: "jk_lsh", user: "lima", check: "config-invalid", doubt: null }],
    now: { refused: true },
  });
  // The log says the same: the file of the jail, not that of the host.
  expect(m.read(LOG)).toContain(`remedy: ${found.now?.remedy}`);
  m.must(["sh", "-c", found.now?.remedy ?? "false"]);
  expect(json(id).now).toMatchObject({ refused: false });
});

test("of a file that was rotated", async () => {
  const id = refuse();
  await written(id);
  m.rename(LOG, `${LOG}.1`);
  m.must(["sh", "-c", "kill -HUP $(cat /run/rsyslogd.pid)"]);
  expect(explain(id)).toMatchObject({ status: 1, stdout: expect.stringContaining(`(${LOG}.1)`) });
});

test("refusals of the guard, before any check", async () => {
  const limits = { NOFILE: 15 };
  const { stderr } = m.run(["/usr/sbin/jk_chrootsh"], { user: "u", env: { USER: "u" }, limits });
  const id = /JK-[A-Z2-7]{8}/.exec(stderr)?.[0] ?? "none";
  await written(id);
  expect(json(id).refusals).toMatchObject([{ check: "limits", uid }]);
});

test("an id that no log has, and an invalid one", () => {
  expect(explain("JK-AAAAAAAA")).toMatchObject({
    status: 2,
    stdout: "No log that can be read here has JK-AAAAAAAA.\n",
  });
  // A name then.
  expect(explain("JK-1")).toMatchObject({ status: 1 });
});

test("lines that others wrote are marked as such, and do nothing to a terminal", async () => {
  const id = "JK-BBBBBBBB";
  m.must([
    "logger",
    "-p",
    "auth.err",
    "-t",
    "evil",
    `${id}: abort, \x1b[31mred (check home-owner, uid 0); remedy: rm -rf /`,
  ]);
  m.must([
    "logger",
    "-p",
    "auth.err",
    "-t",
    "jk_chrootsh",
    `${id}: abort, x (check shell, uid 1) (jail=${J} uid=${uid})`,
  ]);
  await written("check shell, uid 1");
  const { stdout } = explain(id);
  expect(stdout).not.toContain("\x1b");
  // Only explain prints commands to type.
  expect(`${stdout}${JSON.stringify(json(id))}`).not.toContain("rm -rf");
  expect(stdout).toContain("warning: it comes from evil, which has no error ids");
  expect(stdout).toContain("warning: it was sent from inside a jail");
});

test("a line of any length and any bytes, in a large file", () => {
  const id = "JK-CCCCCCCC";
  const filler = `${"x".repeat(300_000)}\n`.repeat(20);
  const line = `Nov 26 01:02:03 host jk_chrootsh[7]: ${id}: abort, \xff\x00 (check shell, uid ${uid}); remedy: none`;
  m.write("/var/log/messages", `${filler}${line}\n${filler}`);
  expect(json(id).refusals).toMatchObject([{ source: "/var/log/messages", check: "shell", pid: 7 }]);
  m.remove("/var/log/messages");
});

test("users other than root see what they may not read", () => {
  const { status, stdout } = m.run(["jailkit", "explain", "JK-AAAAAAAA"], { user: "u" });
  expect(status).toBe(2);
  expect(stdout).toContain("No log that can be read here has JK-AAAAAAAA.\n");
});

test("of the journal, which knows the writer", async () => {
  m.must(["sh", "-c", "kill $(cat /run/rsyslogd.pid)"]);
  m.mkdir("/run/systemd/journal");
  m.mkdir("/run/log/journal");
  m.must(["sh", "-c", "rm -f /dev/log; echo 0123456789abcdef0123456789abcdef > /etc/machine-id"]);
  const command = "mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec /usr/lib/systemd/systemd-journald";
  const journald = m.start(["unshare", "--mount", "--cgroup", "sh", "-c", command]);
  await until(() => m.exists("/run/systemd/journal/dev-log"));
  m.symlink("/run/systemd/journal/dev-log", "/dev/log");
  const id = refuse();
  m.must(["logger", "-p", "auth.err", "-t", "jk_chrootsh", `${id}: abort, false (check shell, uid ${uid})`]);
  let found = json(id);
  await until(() => {
    found = json(id);
    return found.refusals.length === 2;
  });
  expect(found.refusals).toMatchObject([
    { source: "the journal", program: "jk_chrootsh", uid, check: "home-owner", doubt: null },
    {
      check: "shell",
      doubt: expect.stringMatching(/^the journal says that (?:\/usr\/bin\/logger wrote it|uid 0)/),
    },
  ]);
  expect(found.now).toMatchObject({ refused: true });
  journald.kill();
});
