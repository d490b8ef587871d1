/** jk_init and jk_cp prepare many files in a second thread: with the same jail, lines and errors as in one. */
import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { populateReportSchema } from "../../src/populate/report-schema.ts";
import { type Machine, openMachine, type RunResult } from "../machine/machine.ts";
import { reportOf } from "../report.ts";

setDefaultTimeout(120_000);

const JAIL = "/srv/jail";
const FILES = 1500;
let m: Machine;

beforeAll(async () => {
  m = await openMachine({ under: "ours", only: ["jk_init", "jk_cp", "jk_check", "jailkit"] });
  const script = `
import os
for d in range(30):
    os.makedirs(f"/opt/many/d{d}")
    for n in range(${FILES / 30}):
        with open(f"/opt/many/d{d}/f{n}", "w") as f: f.write(f"{d}.{n}" * n)
    os.symlink("f1", f"/opt/many/d{d}/link")
    os.chown(f"/opt/many/d{d}/f7", 1234, 4321)
`;
  m.must(["python3", "-c", script]);
  m.write(
    "/etc/jailkit/jk_init.d/test.ini",
    "[many]\npaths = /opt/many\nincludesections = uidbasics\n[owned]\npaths_w_owner = /opt/many\n",
  );
});
afterAll(() => m?.close());
beforeEach(() => {
  m.remove(JAIL);
  m.remove("/var/lib/jailkit");
});

const WORDS = ["jk_init", "-v", "-j", JAIL, "many"];
const record = () => {
  const [name = ""] = m.list("/var/lib/jailkit/jails");
  return m.read(`/var/lib/jailkit/jails/${name}/manifest.json`).replaceAll(/"(?:ino|time)":"?\d+"?/g, "");
};
const leftovers = () => m.must(["find", "/srv", "-name", ".jk-*"]).stdout;
const traced = (...words: string[]): RunResult =>
  m.run(["strace", "-f", "-o", "/root/trace", ...words, ...WORDS]);
/** To give names is slow: on a busy machine the first thread would be done before the second begins. */
const SLOW_NAMES = ["-e", "trace=utimensat,linkat", "-e", "inject=linkat:delay_enter=2000"];
/** To prepare files is slow, too: either thread would be done with all of them before the other is given its turn. */
const SLOW = [...SLOW_NAMES, "-e", "inject=utimensat:delay_enter=1000"];
/** How many threads the trace shows to have finished files, or given them their names: with one of these calls. */
const threads = (calls = "utimensat|linkat") =>
  new Set(m.read("/root/trace").match(new RegExp(`^\\d+(?= +(${calls})\\()`, "gm"))).size;
const copied = () => m.must(["diff", "-r", "/opt/many", `${JAIL}/opt/many`]);

test("the jail, the record and the lines are those of one thread", () => {
  // With one processor there is one thread.
  const one = m.must(["taskset", "-c", "0", ...WORDS]);
  const expected = [m.snapshot(JAIL), record()];
  m.remove(JAIL);
  m.remove("/var/lib/jailkit");
  const two = traced(...SLOW);
  expect([two.stdout, two.stderr]).toEqual([one.stdout, one.stderr]);
  expect([m.snapshot(JAIL), record()]).toEqual(expected);
  expect([threads("utimensat"), threads("linkat")]).toEqual([2, 2]);
});

test("where something is replaced, one thread gives the names", () => {
  m.must(WORDS);
  m.must(["sh", "-c", `rm -r ${JAIL}/opt/many/d2*; echo changed > ${JAIL}/opt/many/d1/f1`]);
  m.must(["strace", "-f", "-o", "/root/trace", ...SLOW_NAMES, ...WORDS, "--force"]);
  copied();
  expect(threads("linkat")).toBe(1);
});

test("a file that is requested twice, the second time with its owner, has it", () => {
  m.must(["strace", "-f", "-o", "/root/trace", ...SLOW_NAMES, ...WORDS, "owned"]);
  expect(threads()).toBe(2);
  const owners = () => m.must(["find", `${JAIL}/opt/many`, "-name", "f7", "-printf", "%U:%G %m\n"]).stdout;
  expect(owners()).toBe("1234:4321 644\n".repeat(30));
  copied();
});

test.each([
  ["few descriptors", ["prlimit", "--nofile=560:560"]],
  [
    "files without a name cannot be linked",
    ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "inject=linkat:error=ENOENT"],
  ],
  // EXDEV: no more can be said than that this file cannot be linked.
  [
    "few descriptors, and no file can be linked",
    [
      ...["prlimit", "--nofile=560:560", "strace", "-f", "-qq", "-o", "/dev/null"],
      // The first thread renames what it copies then: the second one does not wait for it.
      ...["-e", "trace=linkat,/^rename", "-e", "inject=linkat:error=EXDEV"],
      ...["-e", "inject=/^rename:delay_enter=1000"],
    ],
  ],
])("%s: the jail is complete", (_, words) => {
  m.must([...words, ...WORDS]);
  copied();
  expect(leftovers()).toBe("");
});

/** A section with more directories than a thread keeps open. */
function makeWide(): void {
  const make =
    "import os\nfor d in range(600): os.makedirs(f'/opt/wide/{d}', exist_ok=True); open(f'/opt/wide/{d}/f', 'w')";
  m.must(["python3", "-c", make]);
  m.write("/etc/jailkit/jk_init.d/wide.ini", "[wide]\npaths = /opt/wide\n");
}

test("a file whose directory the first thread cannot open is not put there by the other", () => {
  makeWide();
  const strace = ["strace", "-f", "-o", "/root/trace", "-e", "trace=openat,linkat"];
  const words = ["-e", "inject=linkat:delay_enter=2000", "jk_init", "-j", JAIL, "wide"];
  m.must([...strace, ...words]);
  const [before = ""] = m.read("/root/trace").split("linkat(");
  const [first = ""] = before.split(" ", 1);
  const opened = before.match(new RegExp(`^${first} +openat\\(`, "gm"))?.length ?? 0;
  m.remove(JAIL);
  m.remove("/var/lib/jailkit");
  // Of the second thread, which opens fewer files, none fails.
  const fail = `inject=openat:error=ENFILE:when=${opened + 20}..${opened + 60}`;
  const { stderr } = m.run([...strace, "-e", fail, ...words]);
  const there = m.must(["find", `${JAIL}/opt/wide`, "-type", "f", "-printf", "/opt/wide/%P\n"]).stdout;
  const files = there.split("\n").slice(0, -1);
  expect(stderr).toContain("Too many open files in system");
  expect(files.length + stderr.split("\n").length - 1).toBe(600);
  for (const path of files) expect(record()).toContain(`"${path}"`);
});

test("the second thread keeps few directories of the jail open", () => {
  makeWide();
  const strace = ["strace", "-f", "-o", "/root/trace", "-e", "trace=openat,close,linkat"];
  m.must([...strace, "-e", "inject=linkat:delay_enter=2000", "jk_init", "-j", JAIL, "wide"]);
  m.must(["diff", "-r", "/opt/wide", `${JAIL}/opt/wide`]);
  const trace = m.read("/root/trace");
  const [first] = trace.split(" ", 1);
  const opened = new Set<string>();
  let most = 0;
  for (const [, thread, call, closed, flags = "", fd = ""] of trace.matchAll(
    /^(\d+) +(openat|close)\((\d+)?(.*)\) += (\d+)$/gm,
  )) {
    if (thread === first) continue;
    if (call === "close") opened.delete(closed ?? "");
    else if (flags.includes("O_PATH")) opened.add(fd);
    most = Math.max(most, opened.size);
  }
  expect(threads("linkat")).toBe(2);
  expect(most).toBeLessThan(50);
});

test("another mount in the jail, and a directory with a default ACL, get their files too", () => {
  m.mkdir(`${JAIL}/opt/many/d3`);
  m.must(["setfacl", "-d", "-m", "u:1234:rwx", `${JAIL}/opt/many/d3`]);
  m.mkdir(`${JAIL}/opt/many/d4`);
  m.must(["mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", `${JAIL}/opt/many/d4`]);
  try {
    m.must(WORDS);
    copied();
    expect(m.must(["getfacl", "-cp", `${JAIL}/opt/many/d3/f1`]).stdout).not.toContain("1234");
  } finally {
    m.must(["umount", `${JAIL}/opt/many/d4`]);
  }
});

test("no file takes the security context of another directory", () => {
  m.mkdir(`${JAIL}/opt`);
  m.must(["setfattr", "-n", "security.selinux", "-v", "a:b:c", JAIL]);
  // What was prepared at the top is not used: it is copied once more.
  m.must(["strace", "-f", "-o", "/root/trace", ...SLOW_NAMES, ...WORDS]);
  const calls = (name: string) => m.read("/root/trace").match(new RegExp(` ${name}\\(`, "g"))?.length ?? 0;
  expect(calls("utimensat")).toBeGreaterThan(calls("linkat") + 200);
  copied();
});

test("few files are copied in one thread", () => {
  m.mkdir(JAIL);
  m.must(["strace", "-f", "-o", "/root/trace", "-e", "trace=utimensat", "jk_cp", "-j", JAIL, "/opt/many/d1"]);
  expect(threads()).toBe(1);
});

test("hard links are made in one thread", () => {
  m.must(["jk_init", "-k", "-j", JAIL, "many"]);
  expect(m.must(["stat", "-c", "%h", "/opt/many/d1/f1"]).stdout).toBe("2\n");
});

test("an error is one of its file; all others are copied", () => {
  const { status, stderr } = traced("-e", "inject=linkat:error=EIO:when=100");
  expect(status).toBe(1);
  const lines = stderr.split("\n").filter((line) => line.includes("Input/output error"));
  expect(lines.length).toBe(1);
  for (const line of lines) expect(line).toMatch(/^jk_init: \/srv\/jail\/\S+: link: Input\/output error$/);
  const count = () => m.must(["find", `${JAIL}/opt/many`, "-type", "f"]).stdout.split("\n").length - 1;
  expect(count()).toBe(FILES - 1);
  m.must(WORDS);
  expect(count()).toBe(FILES);
});

test("what the other thread cannot prepare is copied in its turn", () => {
  // In each thread the hundredth: that of the first may be an error, or not come.
  const { status, stderr } = traced(...SLOW_NAMES, "-e", "inject=utimensat:error=EIO:when=100");
  const errors = stderr.split("\n").filter((line) => line.includes("Input/output error"));
  expect(status).toBe(errors.length);
  const there = m.must(["find", `${JAIL}/opt/many`, "-type", "f"]).stdout.split("\n").length - 1;
  expect(there + errors.length).toBe(FILES);
  expect(m.read("/root/trace").match(/INJECTED/g)?.length).toBeGreaterThan(errors.length);
});

test.each(["INT", "TERM"])(
  "SIG%s: what is there is complete and recorded, and the same command continues",
  (signal) => {
    const result = traced("-e", `inject=linkat:signal=${signal}:when=60`);
    // With what it said, if it ends otherwise.
    const { status, signal: by, stderr } = result;
    expect({ status, by, stderr }).toMatchObject({ by: `SIG${signal}` });
    expect(leftovers()).toBe("");
    const [, there = "", all = ""] =
      /\((\d+) of (\d+) objects are in place\); run this again\n$/.exec(result.stderr) ?? [];
    expect(Number(there)).toBeLessThan(Number(all));
    const inJail = m
      .must(["find", `${JAIL}/opt/many`, "-mindepth", "1"])
      .stdout.split("\n")
      .slice(0, -1);
    for (const path of inJail) expect(record()).toContain(`"${path.slice(JAIL.length)}"`);
    m.must(WORDS);
    const done = [m.snapshot(JAIL), record()];
    m.remove(JAIL);
    m.remove("/var/lib/jailkit");
    m.must(WORDS);
    expect(m.snapshot(JAIL)).toEqual(done[0] as never);
  },
);

test("a kill leaves no file half written, and the same command continues", () => {
  m.must(WORDS);
  const whole = m.snapshot(JAIL);
  for (const [call, nth] of [
    ["linkat", 40],
    ["write", 200],
    ["mkdirat", 20],
    ["fchmod", 300],
    ["renameat2", 1],
  ] as const) {
    m.remove(JAIL);
    m.remove("/var/lib/jailkit");
    expect(traced("-e", `inject=${call}:signal=KILL:when=${nth}`).status).toBe(137);
    for (const [path, what] of Object.entries(m.snapshot(JAIL)))
      if (path.startsWith("opt/many/") && !what.startsWith("d"))
        expect([path, what]).toEqual([path, whole[path] ?? ""]);
    m.must(WORDS);
    copied();
  }
});

test("a full disk is one error, and the same command continues when there is room", () => {
  m.mkdir(JAIL);
  m.must(["mount", "-t", "tmpfs", "-o", "mode=0755,size=2m", "tmpfs", JAIL]);
  const { status, stdout } = m.run(["jk_init", "--json", "-j", JAIL, "many"]);
  expect(status).toBe(1);
  const { problems } = reportOf(populateReportSchema("jk_init"), stdout);
  expect(problems.map(({ code }) => code)).toEqual(["no-room"]);
  expect(problems[0]?.message).toMatch(
    /: its file system is full: .* \(\d+ of \d+ objects are in place\); make room/,
  );
  m.must(["mount", "-o", "remount,size=100m", JAIL]);
  m.must(WORDS);
  copied();
  m.must(["umount", JAIL]);
});

test("the one executable of packages copies in threads too", () => {
  const { stdout } = m.must(["jailkit", "jk_init", "-j", JAIL, "many"]);
  expect(stdout.split("\n").filter((line) => line.startsWith("Copying /opt/many/")).length).toBe(FILES);
  copied();
});
