import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import * as z from "zod";
import type { ProblemCode } from "../../src/cli/problem-codes.ts";
import { problemSchema } from "../../src/cli/report-schema.ts";
import { type Machine, openMachine, underTest } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { type Expected, expectedOf } from "./cases.ts";

setDefaultTimeout(120_000);

let m: Machine;
let jails = 0;
beforeAll(async () => {
  m = await openMachine({ under: underTest });
  m.addUser("u", { uid: 4001, home: "/home/u", createHome: true });
  m.write("/usr/share/data", "data\n");
  m.write("/usr/share/dir/file", "file\n");
  m.symlink("nowhere", "/usr/share/dangling");
  m.must(["mkfifo", "/usr/share/fifo"]);
  m.write("/usr/bin/broken", new Uint8Array([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0, 0, 0]), { mode: 0o755 });
});
afterAll(async () => m.close());

/** The end of a traceback of 2.23. */
const TRACEBACK = /^Traceback/m;

/** A command line as scripts of hosting panels have it, with a jail of its own as J. */
interface Row {
  name: string;
  /** The content of jk_init.ini, for jk_init. */
  ini?: string;
  args: readonly string[];
  before?: (jail: string) => void;
  status: Expected<number>;
  /** A pattern in what is printed, or nothing at all. */
  says?: Expected<RegExp | "nothing">;
  /** The status with --strict, if it is another, and the codes of the problems with --json. */
  strict?: { status: number; codes: readonly ProblemCode[] };
  /** A capability that the tool does not have, as in a container. */
  without?: string;
}

const A = "[a]\npaths = /usr/share/data\n";
const nothing = "nothing" as const;
const mkdir = (jail: string) => m.mkdir(jail);
const filled = (jail: string) => {
  m.mkdir(jail);
  m.must(["jk_cp", "-j", jail, "/usr/bin/true"]);
};
const mounted = (options: string) => (jail: string) => {
  m.mkdir(jail);
  m.must(["mount", "-t", "tmpfs", "-o", `mode=755,${options}`, "none", jail]);
};

/** Words after which jailkit 2 printed its errors, and 3 its warnings. */
const warning = (text: string) => new RegExp(`warning: .*${text}`);

const rows: readonly Row[] = [
  // jk_init -f -j JAIL SECTION, once for each section; what is not there must not end the loop.
  {
    name: "an unknown section, of a jail that is there",
    ini: A,
    args: ["jk_init", "-f", "-j", "J", "nosuch"],
    before: filled,
    status: 0,
    says: {
      debian: /^WARNING: section nosuch does not exist/m,
      ours: /^jk_init: warning: section 'nosuch' does not exist/m,
      difference: "messages-named",
    },
    strict: { status: 4, codes: ["no-such-section"] },
  },
  {
    name: "an unknown section beside a known one",
    ini: A,
    args: ["jk_init", "-f", "-j", "J", "a", "nosuch"],
    status: 0,
    strict: { status: 4, codes: ["no-such-section"] },
  },
  {
    name: "an unknown section alone, and no jail",
    ini: A,
    args: ["jk_init", "-f", "-j", "J", "nosuch"],
    status: 1,
    says: {
      debian: TRACEBACK,
      ours: /^jk_init: section 'nosuch' does not exist in \S+\n$/,
      difference: "one-line-errors",
    },
    strict: { status: 4, codes: ["no-such-section"] },
  },
  {
    name: "an unknown section in first place, without -j",
    ini: A,
    args: ["jk_init", "-f", "J", "nosuch", "a"],
    status: 0,
    strict: { status: 4, codes: ["no-such-section"] },
  },
  {
    name: "a section of which nothing is on the machine",
    ini: "[a]\npaths = /no/such, no-such-program\n",
    args: ["jk_init", "-f", "-j", "J", "a"],
    status: 0,
    strict: { status: 1, codes: ["nothing-found"] },
  },
  {
    name: "a list with blanks in place of commas",
    ini: "[a]\npaths = /usr/bin/true /usr/bin/false\n",
    args: ["jk_init", "-f", "-j", "J", "a"],
    status: 0,
    says: {
      debian: /^/,
      ours: warning("'/usr/bin/true /usr/bin/false' does not exist; commas separate the items of a list"),
      difference: "messages-named",
    },
    strict: { status: 1, codes: ["nothing-found"] },
  },
  {
    name: "a list of commands with blanks",
    ini: "[a]\npaths = true false\n",
    args: ["jk_init", "-f", "-j", "J", "a"],
    status: 0,
    strict: { status: 1, codes: ["nothing-found"] },
  },
  {
    name: "a section with a comment alone",
    ini: "[a]\ncomment = x\n",
    args: ["jk_init", "-j", "J", "a"],
    status: 0,
  },
  {
    name: "an included section that does not exist",
    ini: "[a]\nincludesections = nosuch\npaths = /usr/share/data\n",
    args: ["jk_init", "-f", "-j", "J", "a"],
    status: 0,
  },
  {
    name: "accounts that do not exist",
    ini: "[a]\nusers = nosuch\ngroups = nosuch\n",
    args: ["jk_init", "-f", "-j", "J", "a"],
    status: 0,
  },
  {
    name: "a FIFO",
    ini: "[a]\npaths = /usr/share/fifo, /usr/share/data\n",
    args: ["jk_init", "-f", "-j", "J", "a"],
    status: 0,
    says: {
      debian: /^Failed to find how to copy \/usr\/share\/fifo/m,
      ours: warning("/usr/share/fifo is a FIFO"),
      difference: "messages-named",
    },
    strict: { status: 1, codes: ["not-copyable"] },
  },
  {
    name: "a symbolic link to nothing",
    ini: "[a]\npaths = /usr/share/dangling\n",
    args: ["jk_init", "-f", "-j", "J", "a"],
    status: 0,
  },
  {
    name: "a directory of the jail in place of a file",
    ini: A,
    args: ["jk_init", "-f", "-j", "J", "a"],
    before: (jail) => m.mkdir(`${jail}/usr/share/data`),
    status: 0,
    says: {
      debian: /^ERROR: copying file and permissions .*: Is a directory/m,
      ours: warning("/usr/share/data is a directory in the jail"),
      difference: "messages-named",
    },
    strict: { status: 1, codes: ["directory-in-the-way"] },
  },
  {
    name: "a device that the machine does not have",
    ini: "[a]\ndevices = /dev/nosuch\n",
    args: ["jk_init", "-f", "-j", "J", "a"],
    status: 1,
    strict: { status: 1, codes: ["no-such-device"] },
  },
  {
    name: "a device, in a container",
    ini: "[a]\ndevices = /dev/null\n",
    args: ["jk_init", "-f", "-j", "J", "a"],
    without: "mknod",
    status: 0,
    says: {
      debian: /^mknod: .*: Operation not permitted/m,
      ours: warning("/dev/null: mknod: Operation not permitted"),
      difference: "messages-named",
    },
    strict: { status: 1, codes: ["device-refused"] },
  },
  {
    name: "proc, in a container",
    ini: "[a]\nneed_proc = 1\n",
    args: ["jk_init", "-f", "-j", "J", "a"],
    without: "sys_admin",
    status: 0,
    says: {
      debian: /^mount: /m,
      ours: warning("/proc: mount: Operation not permitted; a container may not mount proc"),
      difference: "messages-named",
    },
    strict: { status: 1, codes: ["mount-refused"] },
  },
  {
    name: "hard links, a second time",
    ini: "[a]\npaths = /usr/share/data, /usr/bin/true\n",
    args: ["jk_init", "-f", "-k", "-j", "J", "a"],
    before: (jail) => {
      m.mkdir(jail);
      m.must(["jk_cp", "-k", "-j", jail, "/usr/share/data", "/usr/bin/true"]);
    },
    status: 0,
  },
  {
    name: "a file that vanished from the machine",
    ini: "[a]\npaths = /usr/bin/vanished\n",
    args: ["jk_init", "-f", "-j", "J", "a"],
    before: (jail) => {
      m.mkdir(jail);
      m.write("/usr/bin/vanished", "#!/bin/true\n", { mode: 0o755 });
      m.must(["jk_cp", "-j", jail, "/usr/bin/vanished"]);
      m.remove("/usr/bin/vanished");
    },
    status: 0,
    strict: { status: 1, codes: ["nothing-found"] },
  },
  {
    name: "a jail on a file system that is full",
    ini: "[a]\npaths = /usr/bin/bash\n",
    args: ["jk_init", "-f", "-j", "J", "a"],
    before: mounted("size=200k"),
    status: { debian: 0, ours: 1, difference: "failed-writes" },
    says: { debian: /No space left on device/, ours: /^jk_init: .*is full/m, difference: "failed-writes" },
    strict: { status: 1, codes: ["no-room"] },
  },
  {
    name: "a jail on a file system that is read-only",
    ini: A,
    args: ["jk_init", "-f", "-j", "J", "a"],
    before: mounted("ro"),
    status: 1,
    strict: { status: 1, codes: ["read-only"] },
  },
  {
    name: "-i, an option that jk_init does not have",
    ini: A,
    args: ["jk_init", "-i", "-j", "J", "a"],
    status: 1,
  },
  // jk_cp -j JAIL -f PATH
  { name: "a file", args: ["jk_cp", "-j", "J", "-f", "/usr/share/data"], before: mkdir, status: 0 },
  {
    name: "a file, twice",
    args: ["jk_cp", "-j", "J", "/usr/bin/true"],
    before: filled,
    status: 0,
    says: nothing,
  },
  { name: "a file, and no jail", args: ["jk_cp", "-j", "J", "-f", "/usr/share/data"], status: 3 },
  { name: "no such file", args: ["jk_cp", "-j", "J", "-f", "/no/such"], before: mkdir, status: 4 },
  {
    name: "a file, and one that does not exist: nothing is copied",
    args: ["jk_cp", "-j", "J", "-f", "/usr/share/data", "/no/such"],
    before: mkdir,
    status: 4,
  },
  { name: "no such command", args: ["jk_cp", "-j", "J", "-f", "nosuchcommand"], before: mkdir, status: 2 },
  {
    name: "a command, and one that does not exist",
    args: ["jk_cp", "-j", "J", "-f", "true", "nosuchcommand"],
    before: mkdir,
    status: 0,
    strict: { status: 4, codes: [] },
  },
  {
    name: "a symbolic link to nothing",
    args: ["jk_cp", "-j", "J", "/usr/share/dangling"],
    before: mkdir,
    status: 4,
  },
  {
    name: "a FIFO and a file",
    args: ["jk_cp", "-j", "J", "-f", "/usr/share/fifo", "/usr/share/data"],
    before: mkdir,
    status: 0,
    strict: { status: 1, codes: ["not-copyable"] },
  },
  {
    name: "a file in place of which the jail has a directory",
    args: ["jk_cp", "-j", "J", "-f", "/usr/share/data"],
    before: (jail) => m.mkdir(`${jail}/usr/share/data`),
    status: 0,
    strict: { status: 1, codes: ["directory-in-the-way"] },
  },
  {
    name: "a program that is cut off",
    args: ["jk_cp", "-j", "J", "-f", "/usr/bin/broken"],
    before: mkdir,
    status: 0,
    strict: { status: 1, codes: ["bad-program"] },
  },
  {
    name: "a whole directory of /etc",
    args: ["jk_cp", "-j", "J", "-f", "/etc/apt"],
    before: mkdir,
    status: 0,
  },
  {
    name: "a file that is immutable in the jail",
    args: ["jk_cp", "-j", "J", "-f", "/usr/share/data"],
    before: (jail) => {
      m.write(`${jail}/usr/share/data`, "old");
      m.must(["mount", "--bind", `${jail}/usr/share/data`, `${jail}/usr/share/data`]);
    },
    status: { debian: 0, ours: 1, difference: "failed-writes" },
  },
  {
    name: "a file, to a file system that is full",
    args: ["jk_cp", "-j", "J", "-f", "/usr/bin/bash"],
    before: mounted("size=200k"),
    status: { debian: 0, ours: 1, difference: "failed-writes" },
    strict: { status: 1, codes: ["no-room"] },
  },
  {
    name: "the homes of all users",
    args: ["jk_cp", "-j", "J", "-f", "/home"],
    before: mkdir,
    status: { debian: 0, ours: 1, difference: "dangerous-sources" },
    strict: { status: 1, codes: ["refused-source"] },
  },
  {
    name: "-f -k -i of a jailkit that a panel changed",
    args: ["jk_cp", "-f", "-k", "-i", "-j", "J", "/usr/share/data"],
    status: { debian: 1, ours: 0, difference: "cp-init" },
  },
  // jk_update -k -j JAIL, for one jail after the other
  { name: "an empty jail", args: ["jk_update", "-k", "-j", "J"], before: mkdir, status: 0 },
  {
    name: "a jail that is up to date",
    args: ["jk_update", "-k", "-j", "J", "/usr"],
    before: filled,
    status: 0,
    says: nothing,
  },
  {
    name: "a jail that is missing",
    args: ["jk_update", "-k", "-j", "J"],
    status: 0,
    says: {
      debian: /while scanning dir \S+: No such file or directory/,
      ours: /^jk_update: warning: \S+: no such directory/,
      difference: "messages-named",
    },
    strict: { status: 1, codes: ["no-such-jail"] },
  },
  {
    name: "a file in place of the jail",
    args: ["jk_update", "-k", "-j", "J"],
    before: (jail) => m.write(jail, ""),
    status: { debian: 0, ours: 1, difference: "update-status" },
    strict: { status: 1, codes: ["not-a-directory"] },
  },
  {
    name: "a directory that is missing",
    args: ["jk_update", "-j", "J", "/nosuch"],
    before: mkdir,
    status: 0,
  },
  {
    name: "files that vanished from the machine",
    args: ["jk_update", "-k", "-j", "J"],
    before: (jail) => {
      m.mkdir(jail);
      m.write("/usr/bin/vanished", "#!/bin/true\n", { mode: 0o755 });
      m.must(["jk_cp", "-j", jail, "/usr/bin/vanished"]);
      m.remove("/usr/bin/vanished");
    },
    status: 0,
  },
  {
    name: "a program that is cut off",
    args: ["jk_update", "-k", "-j", "J"],
    before: (jail) => {
      m.mkdir(jail);
      m.run(["jk_cp", "-j", jail, "/usr/bin/broken"]);
    },
    status: 0,
    strict: { status: 1, codes: ["bad-program"] },
  },
  {
    name: "a jail that is read-only and not up to date",
    args: ["jk_update", "-k", "-j", "J"],
    before: (jail) => {
      filled(jail);
      m.write(`${jail}/usr/bin/true`, "old", { mode: 0o755 });
      m.must(["mount", "--bind", jail, jail]);
      m.must(["mount", "-o", "remount,ro,bind", jail]);
    },
    status: { debian: 0, ours: 1, difference: "failed-writes" },
    strict: { status: 1, codes: ["read-only"] },
  },
  // jk_jailuser -n -s SHELL -j JAIL USER
  {
    name: "an account, and no jail",
    args: ["jk_jailuser", "-n", "-s", "/bin/bash", "-j", "J", "u"],
    status: 33,
  },
  {
    name: "an account, and a jail without passwd",
    args: ["jk_jailuser", "-n", "-s", "/usr/bin/true", "-j", "J", "u"],
    before: filled,
    status: 33,
  },
  {
    name: "an account, and a jail without its shell",
    args: ["jk_jailuser", "-n", "-s", "/bin/bash", "-j", "J", "u"],
    before: (jail) => m.write(`${jail}/etc/passwd`, ""),
    status: 33,
  },
  {
    name: "an account that does not exist",
    args: ["jk_jailuser", "-n", "-s", "/usr/bin/true", "-j", "J", "nosuch"],
    before: (jail) => {
      filled(jail);
      m.write(`${jail}/etc/passwd`, "");
    },
    status: { debian: 0, ours: 1, difference: "jailuser-status" },
    says: /user nosuch does not exist\n/,
  },
  {
    name: "an account, twice",
    args: ["jk_jailuser", "-n", "-s", "/usr/bin/true", "-j", "J", "u"],
    before: (jail) => {
      filled(jail);
      m.write(`${jail}/etc/passwd`, "");
      m.write(`${jail}/etc/group`, "");
      m.must(["usermod", "-d", "/home/u", "u"]);
      m.must(["jk_jailuser", "-n", "-s", "/usr/bin/true", "-j", jail, "u"]);
    },
    status: 0,
  },
  // jk_list, jk_check
  { name: "no process in a jail", args: ["jk_list"], status: 0, says: /^No jailed processes found\n$/ },
  { name: "an unknown option", args: ["jk_list", "--bogus"], status: 1 },
];

/** Runs a row in a fresh jail. */
function runRow({ ini, args, before, without }: Row, ...options: string[]) {
  const jail = `/srv/jail${++jails}`;
  before?.(jail);
  const [tool = "", ...rest] = args.map((arg) => (arg === "J" ? jail : arg));
  if (ini !== undefined) m.write("/root/test.ini", ini);
  const config = ini === undefined ? [] : ["-c", "/root/test.ini"];
  const prefix =
    without === undefined ? [] : ["setpriv", "--bounding-set", `-${without}`, "--inh-caps", `-${without}`];
  return m.run([...prefix, tool, ...config, ...options, ...rest]);
}

describe("exit statuses that panels rely on", () => {
  test.each(rows.map((row) => [`${row.args[0]}: ${row.name}`, row] as const))("%s", (_, row) => {
    const { status, stdout, stderr } = runRow(row);
    expect({ status, stderr }).toMatchObject({ status: expectedOf(row.status) });
    const says = row.says && expectedOf(row.says as Expected<RegExp | "nothing">);
    if (says === "nothing") expect(stdout + stderr).toBe("");
    else if (says !== undefined) expect(stdout + stderr).toMatch(says);
    if (underTest === "debian" || row.strict === undefined) return;
    const { strict } = row;
    const plain = runRow(row, "--strict");
    expect(plain).toMatchObject({ status: strict.status });
    expect(plain.stderr).not.toMatch(/warning: .*(does not exist in|is a FIFO|no such directory)/);
    if (strict.codes.length === 0 || status === 1) return;
    const json = runRow(row, "--json");
    expect(json.status).toBe(strict.status);
    const schema = z.looseObject({
      problems: z.array(problemSchema),
      jails: z.array(z.looseObject({ problems: z.array(problemSchema) })).default([]),
    });
    const report = reportOf(schema, json.stdout);
    const problems = [...report.problems, ...report.jails.flatMap((jail) => jail.problems)];
    expect([...new Set(problems.map(({ code }) => code))]).toEqual([...strict.codes]);
  });
});
