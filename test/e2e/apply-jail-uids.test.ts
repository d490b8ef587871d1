/** The uid of an account that is gone belongs to nobody else as long as something in a jail where it was may have it. */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { linesOf, openApplyMachine, uidIn } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const [A, B] = ["/srv/a", "/srv/b"] as const;
const FILE = "/etc/jailkit/jails.d/one.ini";
const MEMORY = "/var/lib/jailkit/declared.json";
const section = (jail: string) => `[jail ${jail}]\nsections = uidbasics, basicshell\n`;
const user = (name: string, jail: string, more = "") =>
  `[user ${name}]\njail = ${jail}\nshell = /bin/bash\n${more}`;
const BOTH = section(A) + section(B);
const UNJAIL = "jk_jailuser --unjail -m -s /usr/sbin/nologin evil".split(" ");

let m: Machine;
/** That of evil. */
let uid = 0;

const uidOf = (name: string) => uidIn(m, name);
function declare(text: string, ...options: string[]): void {
  m.write(FILE, text);
  m.must(["jailkit", "apply", ...options]);
}
/** Evil leaves a program in a jail that makes whoever starts it evil. */
function leave(jail: string): string {
  const path = `${jail}/tmp/sh`;
  m.must([
    "sh",
    "-ec",
    `mkdir -p ${jail}/tmp; cp ${jail}/bin/bash ${path}; chown ${uid} ${path}; chmod 4755 ${path}`,
  ]);
  return path;
}
/** The uids of who is created by apply and by hand. */
function given(jail: string): (number | undefined)[] {
  declare(BOTH + user("lea", jail));
  m.must(["jk_addjailuser", "-s", "/bin/bash", jail, "hand"]);
  return ["lea", "hand"].map(uidOf);
}
function problemOf(...options: string[]) {
  const { summary } = linesOf(m, ...options);
  expect(summary.problems.map(({ code }) => code)).toEqual(["left-uid"]);
  return summary.problems[0];
}
const owner = (path: string) => [m.stat(path)?.uid, (m.stat(path)?.mode ?? 0) & 0o7777];
/** Does what problems advise; returns how often. */
function heal(): number {
  for (let count = 0; ; count++) {
    const { status, summary } = linesOf(m);
    if (status === 0 || count > 4) return count;
    const { message = "", remedy } = summary.problems[0] ?? {};
    const command = remedy ?? / with: (chown .*)$/.exec(message)?.[1] ?? "false";
    expect(message).toEndWith(command);
    m.must(["sh", "-ec", command]);
  }
}

beforeAll(async () => {
  m = await openApplyMachine();
});
beforeEach(() => {
  for (const name of ["evil", "lea", "hand", "frank"])
    if (uidOf(name) !== undefined) m.must(["userdel", name]);
  for (const path of ["/srv", "/var/lib/jailkit", "/home/evil"]) m.remove(path);
  m.mkdir("/srv", { mode: 0o755 });
  declare(BOTH + user("evil", A));
  uid = uidOf("evil") ?? 0;
});
afterAll(() => m?.close());

describe("nobody gets it by chance", () => {
  test("after the home has stayed, and somebody has removed that", () => {
    leave(A);
    declare(BOTH, "--prune");
    m.remove(`${A}/home/evil`);
    expect(given(A)).toEqual([uid + 1, uid + 2]);
  });

  test("after the account has moved to another jail, and went with that", () => {
    leave(A);
    m.must(UNJAIL);
    declare(BOTH + user("evil", B), "--prune");
    expect(m.stat(`${B}/home/evil`)?.uid).toBe(uid);
    declare(section(A), "--prune", "--delete-homes");
    expect([uidOf("evil"), m.exists(B)]).toEqual([undefined, false]);
    expect(given(A)).toEqual([uid + 1, uid + 2]);
  });

  test("after somebody has removed the account and the home, while it was declared and after", () => {
    leave(A);
    m.must(["userdel", "evil"]);
    m.remove(`${A}/home/evil`);
    m.must(["jk_addjailuser", "-s", "/bin/bash", A, "frank"]);
    expect(uidOf("frank")).toBe(uid + 1);
    // Its line in the jail goes first.
    for (const _ of [1, 2]) declare(BOTH, "--prune");
    expect(JSON.parse(m.read(MEMORY)).users).toEqual([]);
    expect(given(A)).toEqual([uid + 2, uid + 3]);
  });

  test("after somebody has taken the account out of its jail, and removed it", () => {
    leave(A);
    m.must(UNJAIL);
    declare(BOTH, "--prune");
    m.must(["userdel", "-r", "evil"]);
    expect(given(A)).toEqual([uid + 1, uid + 2]);
  });

  test("after another account had it, so that the account was created with another one", () => {
    leave(A);
    m.must(["userdel", "evil"]);
    m.remove(`${A}/home/evil`);
    m.must(["useradd", "-M", "-u", `${uid}`, "frank"]);
    m.must(["jk_jailuser", "--unjail", "--jail-side-only", "-j", A, "evil"]);
    m.must(["jailkit", "apply"]);
    expect(uidOf("evil")).toBe(uid + 1);
    m.must(["userdel", "frank"]);
    declare(BOTH, "--prune", "--delete-homes");
    expect(given(A)).toEqual([uid + 2, uid + 3]);
  });

  test("after the account has moved from a jail that could not be changed, and went", () => {
    leave(A);
    m.must(UNJAIL);
    m.must([
      "sh",
      "-ec",
      `echo evil:x:${uid}:100::/home/evil:/bin/bash >> ${A}/etc/passwd; chmod o+w ${A}/etc`,
    ]);
    m.write(FILE, BOTH + user("evil", B));
    expect(linesOf(m).status).toBe(1);
    const remembered = () =>
      JSON.parse(m.read(MEMORY)).users.map((one: { jail: string; left: { jail: string }[] }) =>
        [one.jail, one.left.map(({ jail }) => jail)].flat(),
      );
    expect(remembered()).toEqual([[B, A]]);
    m.must(["chmod", "o-w", `${A}/etc`]);
    declare(BOTH, "--prune", "--delete-homes");
    expect(remembered()).toEqual([]);
    expect(given(A)).toEqual([uid + 1, uid + 2]);
  });

  test.each(["-m", "-n"])(
    "after somebody has put the account into a jail by jk_jailuser %s, and removed it",
    (how) => {
      const hand = ["jk_jailuser", "-s", "/bin/bash", "-j", B, how, "evil"];
      m.must(UNJAIL);
      m.must(hand);
      leave(B);
      m.must(UNJAIL);
      declare(section(B), "--prune");
      m.must(["userdel", "-r", "evil"]);
      expect(m.exists(A)).toBe(false);
      expect(given(B)).toEqual([uid + 1, uid + 2]);
    },
  );
});

describe("who declares it", () => {
  const lea = () => user("lea", A, `uid = ${uid}\n`);

  test("learns which jails have files with it, until the commands that are shown have given them to root", () => {
    const files = [leave(A)];
    m.must(UNJAIL);
    declare(BOTH + user("evil", B), "--prune");
    files.push(leave(B));
    declare(BOTH, "--prune", "--delete-homes");
    m.write(FILE, BOTH + lea());
    const problem = problemOf("--check");
    expect(problemOf()).toEqual(problem);
    expect(problem?.message).toMatch(
      new RegExp(
        `^user lea: the uid ${uid} was that of an account which is removed, .*'/srv/[ab]/tmp/sh' has the uid ${uid}.* \\(it is so in /srv/[ab], too\\); .*: chown -hR --from=\\+${uid} root /srv/[ab]/tmp$`,
      ),
    );
    expect([heal(), uidOf("lea")]).toEqual([2, uid]);
    expect(files.map(owner)).toEqual([
      [0, 0o755],
      [0, 0o755],
    ]);
  });

  test("gets it after the command that gives the home to root, and the one for the rest of the jail", () => {
    const file = leave(A);
    declare(BOTH, "--prune");
    m.write(FILE, BOTH + lea());
    expect(linesOf(m).summary.problems.map(({ code }) => code)).toEqual(["kept-home"]);
    expect([heal(), uidOf("lea"), owner(file)]).toEqual([2, uid, [0, 0o755]]);
  });

  test("gets it at once if no file has it", () => {
    declare(BOTH, "--prune", "--delete-homes");
    declare(BOTH + lea());
    expect(uidOf("lea")).toBe(uid);
    expect(JSON.parse(m.read(MEMORY)).kept).toEqual([]);
  });

  test("in the run in which the account goes, learns it before anything is created", () => {
    leave(A);
    m.write(FILE, BOTH + lea());
    problemOf("--prune", "--delete-homes");
    expect(["evil", "lea"].map(uidOf)).toEqual([undefined, undefined]);
  });

  test("and is the same customer gets it, with the files", () => {
    const file = leave(A);
    declare(BOTH, "--prune", "--delete-homes");
    declare(BOTH + user("evil", B, `uid = ${uid}\n`));
    // Nobody became it by that in the meantime.
    expect([uidOf("evil"), owner(file)]).toEqual([uid, [uid, 0o755]]);
    // Of another one it is not.
    declare(BOTH, "--prune", "--delete-homes");
    m.write(FILE, BOTH + lea());
    problemOf("--check");
  });

  test("on the command line of jk_addjailuser is warned, without a command that takes from the new account", () => {
    leave(A);
    declare(BOTH, "--prune", "--delete-homes");
    const hand = ["jk_addjailuser", "-s", "/bin/bash", "-u", `${uid}`, A, "hand"];
    const { stderr } = m.must(hand);
    expect(stderr).toContain(`: choose another with -u; '${A}/tmp/sh' has the uid ${uid}`);
    expect([stderr.includes("chown"), uidOf("hand")]).toEqual([false, uid]);
  });

  test("in a file for jailkit import is refused, and the command that is shown helps", () => {
    leave(A);
    declare(BOTH, "--prune", "--delete-homes");
    const [file, other] = ["/root/export.json", "/srv/other"];
    const exported = JSON.parse(m.must(["jailkit", "export", A]).stdout);
    const account = { name: "hand", uid, gid: 100, group: "users", groups: [], comment: "" };
    const users = [{ ...account, home: "/home/hand", shell: "/bin/bash", local: true }];
    m.write(file, JSON.stringify({ ...exported, users }));
    const words = ["jailkit", "import", "--create-users", other, file];
    const { status, stderr } = m.run(words);
    expect([status, m.exists(other)]).toEqual([1, false]);
    const [, command = "false"] = /: use --without-users; .*: (chown .*)$/m.exec(stderr) ?? [];
    m.must(["sh", "-ec", command]);
    m.must(words);
    expect(uidOf("hand")).toBe(uid);
  });
});
