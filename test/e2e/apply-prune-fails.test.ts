/** `jailkit apply --prune` where something cannot be removed: what rests on it waits, and each printed command helps. */
import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { did, KEYS, linesOf, openApplyMachine } from "./apply-scene.ts";
import { typeRemedy } from "./remedies-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/t";
const FILE = "/etc/jailkit/jails.d/one.ini";
const jail = (path: string) => `[jail ${path}]\nsections = uidbasics, basicshell, sftp\n`;
const JAIL = jail(J);
const user = (name: string, more = "", place = J) =>
  `[user ${name}]\njail = ${place}\nshell = /bin/bash\n${more}`;
const PRUNE = ["--prune", "--delete-homes"];

let m: Machine;
const sh = (...lines: string[]) => m.must(["sh", "-ec", lines.join("\n")]);

beforeAll(async () => {
  m = await openApplyMachine();
  // On a file system of its own, which can be full.
  sh("cp -aT /etc /root/etc", "mount -t tmpfs -o mode=755,size=64m none /etc", "cp -aT /root/etc /etc");
});
afterAll(() => m?.close());
afterEach(() => {
  m.write(FILE, "");
  m.must(["jailkit", "apply", ...PRUNE]);
});

function declare(text: string): void {
  m.write(FILE, text);
  m.must(["jailkit", "apply"]);
}

const isUser = (name: string) => m.run(["id", name]).status === 0;
const problems = (...options: string[]) => linesOf(m, ...options).summary.problems;

/** Fills /etc, and empties it after the work. */
function withFullEtc<T>(work: () => T): T {
  // Of a directory, too.
  sh("i=0; while head -c 65536 /dev/zero >/etc/fill$i; do i=$((i+1)); done 2>/dev/null || true");
  try {
    return work();
  } finally {
    sh("rm -f /etc/fill*");
  }
}

describe("a jail waits for users who cannot be removed, and no command keeps their accounts", () => {
  const INNER = `${J}/srv/inner`;

  test.each([
    ["the jail itself", JAIL + user("ta") + user("tb"), ["user ta", "user tb", `jail ${J}`]],
    [
      "one in another one, which waits, too",
      JAIL + jail(INNER) + user("ta", "", INNER),
      ["user ta", `jail ${INNER}`, `jail ${J}`],
    ],
  ])("when /etc is full: %s", (_, text, all) => {
    declare(text);
    m.write(FILE, "");
    const users = all.filter((name) => name.startsWith("user"));
    const first = withFullEtc(() => linesOf(m, ...PRUNE));
    expect(first.changes.map(({ of, name, status, waits }) => [`${of} ${name}`, status, waits])).toEqual(
      all.map((name) =>
        users.includes(name) ? [name, "failed", null] : [name, "not-done", "user ta: account"],
      ),
    );
    expect(first.summary.problems.map(({ message }) => message)).toEqual(
      users.map((name) =>
        expect.stringMatching(new RegExp(`^${name}: userdel failed .*: No space left on device$`)),
      ),
    );
    const lines = withFullEtc(() => m.run(["jailkit", "apply", ...PRUNE])).stderr;
    expect(lines).toContain(`jailkit apply: jail ${J}: not done: jail; it waits for user ta: account\n`);
    expect(lines).not.toContain("--unjail");
    expect(did(m, ...PRUNE)).toEqual(all.map((name) => `done - ${name} (no longer declared)`));
    expect([m.exists(J), isUser("ta"), isUser("tb")]).toEqual([false, false, false]);
  });

  test("when --check says so", () => {
    declare(JAIL + user("ta") + user("tb"));
    m.write(FILE, "");
    m.must(["chattr", "+i", "/etc/passwd"]);
    const [planned, done] = [problems("--check", ...PRUNE), problems(...PRUNE)];
    m.must(["chattr", "-i", "/etc/passwd"]);
    expect(done).toEqual(planned);
    expect(done[2]).toMatchObject({
      code: "has-users",
      message: `jail ${J}: is not declared any more, and stays: waits for users who cannot leave it (ta, tb)`,
      remedy: null,
    });
    expect(linesOf(m, ...PRUNE)).toMatchObject({ status: 0 });
  });

  test("of one in another one, whose error names it and no command", () => {
    declare(JAIL + jail(INNER) + user("ta", "", INNER));
    m.write(FILE, "");
    m.must(["chattr", "+i", "/etc/passwd"]);
    const [planned, done] = [problems("--check", ...PRUNE), problems(...PRUNE)];
    m.must(["chattr", "-i", "/etc/passwd"]);
    expect(done).toEqual(planned);
    expect(planned.map(({ code, message }) => [code, message]).slice(1)).toEqual([
      [
        "has-users",
        `jail ${INNER}: is not declared any more, and stays: waits for users who cannot leave it (ta)`,
      ],
      [
        "holds-a-jail",
        `jail ${J}: is not declared any more, and stays: the jail '${INNER}', which is in it, cannot be removed`,
      ],
    ]);
    expect(linesOf(m, ...PRUNE)).toMatchObject({ status: 0 });
    expect(m.exists(J)).toBe(false);
  });

  test("when somebody else lives in it: before the run the command removes them first", () => {
    declare(JAIL + user("ta"));
    m.must(["jk_addjailuser", "-j", J, "-p", "*", "-s", "/bin/bash", "guest"]);
    m.write(FILE, "");
    const [problem] = problems("--check", ...PRUNE);
    const [, command = "false"] = / use: (.*); or take them out first: /.exec(problem?.message ?? "") ?? [];
    expect(command).toBe(`jailkit apply --prune; jailkit delete --unjail ${J}`);
    m.run(["sh", "-c", `yes | { ${command}; }`]);
    expect([isUser("ta"), isUser("guest")]).toEqual([false, true]);
    m.must(["userdel", "-r", "guest"]);
    m.must(["jailkit", "delete", "--yes", "--user-files", J]);
  });
});

describe("an account that is removed with keys that cannot be taken out of its home", () => {
  const HOME = `${J}/home/ta`;
  const KEY = `authorized_keys = ${KEYS[0]}\n`;
  const CASES = [
    ["a FIFO in the place of the file", "rm .ssh/authorized_keys; mkfifo .ssh/authorized_keys"],
    ["a link in the place of the directory", "mv .ssh keys; ln -s keys .ssh"],
    ["another name of the file", "ln .ssh/authorized_keys keys"],
    ["a file that is too long", "head -c 1100000 /dev/zero >>.ssh/authorized_keys"],
  ] as const;

  /** The user does something at home, and leaves. */
  function leave(command: string, ...options: string[]) {
    declare(JAIL + user("ta", KEY));
    m.must(["runuser", "-u", "ta", "--", "sh", "-ec", `cd ${HOME}; ${command}`]);
    m.write(FILE, JAIL);
    return linesOf(m, "--prune", ...options);
  }

  afterEach(() => {
    m.run(["userdel", "ta"]);
    m.remove(HOME);
  });

  test.each(CASES)("leaves no command that needs it: %s", (_, command) => {
    const { status, changes } = leave(command);
    const stays = `the home '${HOME}' of uid ${m.stat(HOME)?.uid} stays, perhaps with keys that were declared: `;
    expect([status, isUser("ta"), changes.map(({ warnings }) => warnings)]).toEqual([
      ...[0, false, [[expect.stringContaining(stays)]]],
    ]);
    m.remove(HOME);
    expect(leave(command, "--delete-homes")).toMatchObject({ status: 0, changes: [{ warnings: [] }] });
    expect([isUser("ta"), m.exists(HOME)]).toEqual([false, false]);
  });

  test("while it stays, the command helps", async () => {
    declare(JAIL + user("ta", KEY));
    m.must(["runuser", "-u", "ta", "--", "sh", "-ec", `cd ${HOME}; ${CASES[0][1]}`]);
    const session = m.start(["cat"], { user: "ta" });
    session.write("ready\n");
    await session.until(({ stdout }) => (stdout.includes("ready") ? true : undefined));
    m.write(FILE, JAIL);
    const [warning = ""] = linesOf(m, "--prune").changes.flatMap(({ warnings }) => warnings);
    expect(typeRemedy(m, warning.split("move it away with: ")[1] ?? "false").status).toBe(0);
    session.end();
    await session.ended;
    const [change] = linesOf(m, "--prune").changes;
    expect([change?.status, change?.warnings]).toEqual(["done", [expect.not.stringContaining("keys")]]);
  });

  test("with the home, but not itself: no command needs that", () => {
    declare(JAIL + user("ta", KEY));
    m.must(["runuser", "-u", "ta", "--", "sh", "-ec", `cd ${HOME}; ${CASES[0][1]}`]);
    m.write(FILE, JAIL);
    const [change] = withFullEtc(() => linesOf(m, ...PRUNE)).changes;
    expect([change?.status, change?.warnings, m.exists(HOME)]).toEqual(["failed", [], false]);
  });
});

describe("no command needs a program that the run takes out of the jail", () => {
  const INI = "/etc/jailkit/jk_init.ini";
  const KEYS_FILE = `${J}/home/tb/.ssh/authorized_keys`;
  const TB = user("tb", `authorized_keys = ${KEYS[0]}\n`);
  const small = (more = "") => `[jail ${J}]\nsections = uidbasics, small${more}\n`;
  let before = "";

  afterEach(() => {
    m.write(FILE, "");
    m.run(["jailkit", "apply", ...PRUNE]);
    m.write(INI, before);
    m.run(["userdel", "-r", "tb"]);
  });

  test.each([
    ["of a user who leaves", ""],
    ["of one who stays, also with --check", TB],
  ])("%s", (_, stays) => {
    before = m.read(INI);
    m.write(INI, `${before}\n[small]\npaths = /bin/bash, /usr/bin/bash\n\n[mover]\npaths = mv\n`);
    sh("useradd -m -d /home/tb -s /bin/bash tb");
    declare(small(", mover") + TB);
    m.must(["runuser", "-u", "tb", "--", "sh", "-ec", `rm ${KEYS_FILE}; mkfifo ${KEYS_FILE}`]);
    m.write(FILE, small() + stays);
    const planned = stays === "" ? [] : problems("--check", "--prune").map(({ remedy }) => remedy);
    const [problem, ...more] = problems("--prune");
    expect([more, m.exists(`${J}/usr/bin/mv`)]).toEqual([[], false]);
    expect(planned).toEqual(stays === "" ? [] : [problem?.remedy ?? ""]);
    expect(typeRemedy(m, problem?.remedy ?? "false").status).toBe(0);
    expect(linesOf(m, "--prune")).toMatchObject({ status: 0, summary: { problems: [] } });
    expect(m.read("/etc/passwd")).toContain(stays === "" ? "::/home/tb:/bin/bash" : `::${J}/./home/tb:`);
  });
});
