/** The uids of accounts that are gone with their homes: they are free again when nothing has them, if no other is left. */
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
import type { Machine } from "../machine/machine.ts";
import { runWithStops } from "../machine/stops.ts";
import { linesOf, openApplyMachine } from "./apply-scene.ts";
import { startInNamespace } from "./namespace-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/customer";
const FILE = "/etc/jailkit/jails.d/one.ini";
const MEMORY = "/var/lib/jailkit/declared.json";
const DEFS = "/etc/login.defs";
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\n`;
const user = (name: string, more = "") => `[user ${name}]\njail = ${J}\nshell = /bin/bash\n${more}`;
const CARL = JAIL + user("carl");
const HAND = ["jk_addjailuser", "-s", "/bin/bash", J, "hand"];

let m: Machine;
let defs = "";
/** That of bob, who is gone. */
let uid = 0;

const uidOf = (name: string): number | undefined => {
  const found = new RegExp(`^${name}:[^:]*:(\\d+):`, "m").exec(m.read("/etc/passwd"))?.[1];
  return found === undefined ? undefined : Number(found);
};
const kept = () => JSON.parse(m.read(MEMORY)).kept;
const sh = (text: string) => m.must(["sh", "-ec", text]);
/** What a run says that creates no account. */
function problemOf(...options: string[]) {
  const { summary } = linesOf(m, ...options);
  expect(summary.problems.map(({ code }) => code)).toEqual(["no-id"]);
  return summary.problems[0];
}
/** Does what a problem advises, until carl has the uid; returns what it says each time. */
function heal(): string[] {
  const said: string[] = [];
  while (said.length < 5) {
    const { status, summary } = linesOf(m);
    if (status === 0) break;
    const { message = "", remedy = "" } = summary.problems[0] ?? {};
    said.push(message);
    expect(message).toEndWith(`: ${remedy}`);
    m.must(["sh", "-ec", remedy ?? ""]);
  }
  expect(uidOf("carl")).toBe(uid);
  return said;
}

beforeAll(async () => {
  m = await openApplyMachine();
  defs = m.read(DEFS);
});
beforeEach(() => {
  m.mkdir("/srv", { mode: 0o755 });
  m.write(FILE, JAIL + user("bob"));
  m.must(["jailkit", "apply"]);
  uid = uidOf("bob") ?? 0;
  m.write(FILE, JAIL);
});
afterEach(() => {
  m.write(DEFS, defs);
  for (const name of ["bob", "carl", "dan", "hand"]) if (uidOf(name) !== undefined) m.must(["userdel", name]);
  for (const path of ["/srv", "/var/lib/jailkit", "/root/data"]) m.remove(path);
});
afterAll(() => m?.close());

/** Removes bob with his home; then his uid is the only one. */
function removeBob(): void {
  m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
  expect(kept()).toMatchObject([{ name: "bob", uid, home: `${J}/./` }]);
  m.write(
    DEFS,
    defs.replace(/^UID_(MIN|MAX).*$/gm, (_, which) => `UID_${which} ${uid}`),
  );
  m.write(FILE, CARL);
}

test("nothing has it: the next account gets it, and it is not reserved any more", () => {
  removeBob();
  m.mkdir(`${J}/data`, { mode: 0o755 });
  expect(linesOf(m, "--check").summary.problems).toEqual([]);
  expect(kept()).toHaveLength(1);
  m.must(["strace", "-y", "-qq", "-o", "/root/trace", "-e", "trace=getdents64", "jailkit", "apply"]);
  // Once: there are its names, and the end.
  expect(m.read("/root/trace").split(`<${J}/data>`)).toHaveLength(3);
  expect([uidOf("carl"), kept()]).toEqual([uid, []]);
});

test("nobody gets it whose section comes before that of who comes back", () => {
  m.must(["userdel", "-r", "bob"]);
  // Which would reserve it as well.
  m.must(["sed", "-i", "/^bob:/d", `${J}/etc/passwd`]);
  m.write(
    DEFS,
    defs.replace(/^UID_(MIN|MAX).*$/gm, (_, which) => `UID_${which} ${uid}`),
  );
  m.write(FILE, CARL + user("bob"));
  const { summary } = linesOf(m);
  expect(summary.problems.map(({ code, path }) => [code, path])).toEqual([["no-id", "carl"]]);
  expect(["carl", "bob"].map(uidOf)).toEqual([undefined, uid]);
});

test("jk_addjailuser looks, too", () => {
  removeBob();
  m.must(HAND);
  expect(uidOf("hand")).toBe(uid);
});

test("only if no other is left, since a jail may be large", () => {
  removeBob();
  m.mkdir(`${J}/data`, { mode: 0o755 });
  m.write(DEFS, defs);
  m.must(["strace", "-f", "-y", "-qq", "-o", "/root/trace", "-e", "trace=getdents64", "jailkit", "apply"]);
  expect(m.read("/root/trace")).not.toContain(`<${J}/data>`);
  expect([uidOf("carl"), kept().length]).toEqual([uid + 1, 1]);
});

test("files in the jail have it: nobody gets it until the command that is shown has given them to root", () => {
  sh(
    `mkdir -p ${J}/tmp ${J}/data/deep/er; cp /bin/true ${J}/tmp/left; touch ${J}/data/deep/er/too; chown bob: ${J}/tmp/left ${J}/data/deep/er/too; chmod 4755 ${J}/tmp/left`,
  );
  removeBob();
  for (const options of [["--check"], []]) {
    const problem = problemOf(...options);
    expect(problem?.message).toMatch(new RegExp(`'${J}/(tmp/left|data/deep/er/too)' has the uid ${uid}`));
    expect(problem?.remedy).toMatch(
      new RegExp(`^chown -hR --from=\\+${uid} root ${J}/(data ${J}/tmp|tmp ${J}/data)$`),
    );
  }
  expect(m.run(HAND)).toMatchObject({ status: 1, stderr: expect.stringContaining("chown -hR") });
  expect(heal()).toHaveLength(1);
  const left = m.stat(`${J}/tmp/left`);
  expect([left?.uid, (left?.mode ?? 0) & 0o7777]).toEqual([0, 0o755]);
});

test("what it has in a sticky directory does not become root's there, if others would not be protected from it any more", () => {
  const names = ["link", "pipe", "open", "closed", "directory/open"].map((name) => `${J}/tmp/${name}`);
  sh(
    `mkdir -p ${J}/tmp/directory; cd ${J}/tmp; ln -s /home link; mkfifo pipe; umask 0; touch open directory/open`,
  );
  sh(`cd ${J}/tmp; umask 22; touch closed; chown -hR bob: .; chown root .; chmod 1777 .`);
  // Of others: these stay as they are.
  sh(
    `cd ${J}/tmp; ln -s /home of-root; touch root; chmod 666 root; touch eves; chmod 666 eves; chown 54321 eves`,
  );
  removeBob();
  expect(problemOf("--check")?.remedy).toBe(
    `chmod go-w ${J}/tmp && find ${J}/tmp -maxdepth 1 -uid ${uid} -type f -exec chmod go-w {} + -o -uid ${uid} ! -type d -delete && chmod 1777 ${J}/tmp && chown -hR --from=+${uid} root ${J}/tmp`,
  );
  expect(heal()).toHaveLength(1);
  const others = ["of-root", "root", "eves", ""].map((name) => `${J}/tmp/${name}`);
  expect(
    [...names, ...others].map((path) => [
      m.stat(path)?.uid,
      ((m.stat(path)?.mode ?? 0) & 0o7777).toString(8),
    ]),
  ).toEqual([
    [undefined, "0"],
    [undefined, "0"],
    [0, "644"],
    [0, "644"],
    [0, "666"],
    [0, "777"],
    [0, "666"],
    [54321, "666"],
    [0, "1777"],
  ]);
});

test("so it is on what is mounted in the jail, also if nobody can write there, or start a setuid program, now", () => {
  sh(`mkdir -p ${J}/proc ${J}/ro /root/data/in; touch /root/data/x; mount -t proc proc ${J}/proc`);
  sh(`mount -t tmpfs none /root/data/in; touch /root/data/in/x; chown bob: /root/data/x /root/data/in/x`);
  sh(`mount --rbind /root/data ${J}/ro; mount -o remount,bind,ro,nosuid,nodev ${J}/ro`);
  removeBob();
  const what = new RegExp(`'${J}/ro/(in/)?x' has the uid ${uid}`);
  expect(problemOf()?.message).toMatch(what);
  m.must(["umount", `${J}/ro/in`]);
  // No command: it may be read-only on purpose.
  const { message, remedy } = problemOf() ?? {};
  expect(message).toMatch(what);
  expect(message).toEndWith("; give it to root where its file system can be written, and run this again");
  expect(remedy).toBeNull();
  sh("chown root /root/data/x");
  expect(linesOf(m).status).toBe(0);
  expect(uidOf("carl")).toBe(uid);
  sh(`umount ${J}/ro ${J}/proc /root/data/in`);
});

test("so it is on a file system that /etc/fstab mounts in the jail, while it is not mounted", () => {
  sh(`mkdir -p ${J}/web /root/data; touch /root/data/x; chown bob: /root/data/x`);
  const fstab = m.read("/etc/fstab");
  m.write("/etc/fstab", `${fstab}proc ${J}/proc proc noauto 0 0\n/root/data ${J}/web none bind,noauto 0 0\n`);
  removeBob();
  const said = heal();
  expect(said).toEqual([
    expect.stringContaining(`'${J}/web': its file system, which /etc/fstab names, is not mounted; `),
    expect.stringContaining(`'${J}/web/x' has the uid ${uid}`),
  ]);
  m.write("/etc/fstab", fstab);
  sh(`umount ${J}/web`);
});

test("so it is if /etc/fstab names the place by way of a symbolic link", () => {
  sh(`mkdir -p ${J}/web /root/data; touch /root/data/x; chown bob: /root/data/x; ln -s /srv /var/by-link`);
  const fstab = m.read("/etc/fstab");
  m.write("/etc/fstab", `${fstab}/root/data /var/by-link/customer/web none bind,noauto 0 0\n`);
  removeBob();
  expect(heal()).toEqual([
    expect.stringContaining(
      "'/var/by-link/customer/web': its file system, which /etc/fstab names, is not mounted",
    ),
    expect.stringContaining(`'${J}/web/x' has the uid ${uid}`),
  ]);
  m.write("/etc/fstab", fstab);
  sh(`umount ${J}/web; rm /var/by-link`);
});

describe("so it is in a jail", () => {
  const K = "/srv/other";
  const KEEP = `[jail ${K}]\nsections = uidbasics, basicshell\n`;
  const carl = `[user carl]\njail = ${K}\nshell = /bin/bash\n`;
  let fstab = "";
  beforeEach(() => {
    fstab = m.read("/etc/fstab");
  });
  afterEach(() => {
    m.write("/etc/fstab", fstab);
    for (const path of [J, "/srv"]) m.run(["umount", path]);
  });
  /** Makes the jail anew on a file system that is mounted at `place`, with a file of bob, who is removed; and unmounts that. */
  function unmountIt(place: string): void {
    sh(
      `userdel bob; rm -rf ${J} /var/lib/jailkit; mkdir -p /root/data ${place}; mount --bind /root/data ${place}`,
    );
    m.write(FILE, KEEP + JAIL + user("bob"));
    m.must(["jailkit", "apply"]);
    sh(`mkdir -p ${J}/data; touch ${J}/data/x; chown bob: ${J}/data/x`);
    m.write(FILE, KEEP + JAIL);
    removeBob();
    sh(`umount ${place}`);
  }

  test.each([
    [
      "whose mount point, which /etc/fstab names, has a file",
      `/root/data ${J} none bind,noauto 0 0\n`,
      "which /etc/fstab names",
    ],
    ["whose mount point, which /etc/fstab does not name, has a file", "", "another directory is there"],
  ])("%s, while it is not mounted", (_, line, why) => {
    m.write("/etc/fstab", fstab + line);
    unmountIt(J);
    m.write(`${J}/NOT-MOUNTED`, "");
    m.write(FILE, KEEP + JAIL + carl);
    for (const options of [["--check"], []]) {
      const { problems } = linesOf(m, ...options).summary;
      expect(problems.map(({ code }) => code)).toEqual(["no-id", "not-mounted"]);
      for (const { message } of problems) expect(message).toContain(why);
    }
    expect([uidOf("carl"), m.list(J)]).toEqual([undefined, ["NOT-MOUNTED"]]);
    sh(`mount --bind /root/data ${J}`);
    expect(problemOf()?.message).toContain(`'${J}/data/x' has the uid ${uid}`);
  });

  test("that is missing, as something above it is not mounted, until it is forgotten", () => {
    unmountIt("/srv");
    m.write(FILE, KEEP + carl);
    const { message } = problemOf() ?? {};
    const forget = `jailkit forget --with-users ${J}`;
    expect(message).toEndWith(
      `; if it is on another file system, that is to be mounted; if it was deleted: ${forget}`,
    );
    m.must(forget.split(" "));
    expect(linesOf(m)).toMatchObject({ status: 0 });
    expect(uidOf("carl")).toBe(uid);
  });
});

test("but not in directories of the host, as a live jail has them", () => {
  sh(`mkdir -p ${J}/opt/live; mkdir -p /opt/live/deep; touch /opt/live/of-bob; chown bob: /opt/live/of-bob`);
  sh(`mount --bind /opt/live ${J}/opt/live; mount -o remount,bind,ro,nosuid,nodev ${J}/opt/live`);
  sh(`mount -t tmpfs none ${J}/opt/live/deep; touch ${J}/opt/live/deep/x; chown bob: ${J}/opt/live/deep/x`);
  removeBob();
  expect(problemOf()?.message).toMatch(new RegExp(`'${J}/opt/live/(deep/x|of-bob)' has the uid ${uid}`));
  m.must(["umount", `${J}/opt/live/deep`]);
  expect(linesOf(m).status).toBe(0);
  expect(uidOf("carl")).toBe(uid);
  sh(`umount ${J}/opt/live; rm -r /opt/live`);
});

test("a process has it, or a file without a name: it is free when that has ended", async () => {
  removeBob();
  sh(`cp /bin/true ${J}/left; chown ${uid} ${J}/left; chmod 4755 ${J}/left`);
  const open = m.start(["sh", "-c", `exec 5<${J}/left; echo there; exec sleep infinity`], { user: "nobody" });
  await open.until(({ stdout }) => stdout.includes("there") || undefined);
  m.remove(`${J}/left`);
  const run = [
    "setpriv",
    "--reuid",
    `${uid}`,
    "--clear-groups",
    "sh",
    "-c",
    "echo there; exec sleep infinity",
  ];
  const own = m.start(run);
  await own.until(({ stdout }) => stdout.includes("there") || undefined);
  const said = heal();
  // One command ends both.
  expect(said).toEqual([
    expect.stringMatching(
      new RegExp(
        `processes of 'nobody' \\(\\d+\\), 'uid ${uid}' \\(\\d+\\) have the uid ${uid}, which is that `,
      ),
    ),
  ]);
  await Promise.all([open.ended, own.ended]);
});

test("a process can take it in a user namespace: it is free when that has ended", async () => {
  removeBob();
  const process = await startInNamespace(m, uid);
  const carl = JAIL + user("carl", `uid = ${uid}\n`);
  for (const [text, options] of [
    [CARL, []],
    [carl, ["--check"]],
    [carl, []],
  ] as const) {
    m.write(FILE, text);
    const { message, remedy } = linesOf(m, ...options).summary.problems[0] ?? {};
    const what = `processes of 'uid ${uid}' \\(\\d+\\) have the uid ${uid}, which is that of no account any more, can take it in a user namespace`;
    expect([remedy, message]).toEqual([
      `jailkit terminate-user --uid=${uid}`,
      expect.stringMatching(new RegExp(what)),
    ]);
  }
  expect(heal()).toHaveLength(1);
  await process.ended;
});

test.each([
  ["a range, as those of a container are", (own: number) => `0 900000 2\\n2 ${own} 65536`],
  ["all, as that of the machine", () => "0 0 4294967295"],
])("a user namespace that maps %s takes it from nobody", async (_, map) => {
  removeBob();
  const process = await startInNamespace(m, uid, map(uid));
  expect(linesOf(m).status).toBe(0);
  expect(uidOf("carl")).toBe(uid);
  process.kill();
  await process.ended;
});

test.each(["nobody", "www-data"])("so may a process of %s that has an io_uring", async (owner) => {
  removeBob();
  const ring = `import ctypes, time
print("there" if ctypes.CDLL(None).syscall(425, 4, ctypes.create_string_buffer(120)) >= 0 else "none", flush=True)
time.sleep(1000000)`;
  const process = m.start(["python3", "-c", ring], { user: owner });
  const has = await process.until(({ stdout }) => stdout || undefined);
  if (has === "none\n") return process.kill();
  const what = new RegExp(
    `^.*processes of '${owner}' \\(\\d+\\) have an io_uring, in which they may keep the uid ${uid}, `,
  );
  if (owner === "nobody") expect(heal()).toEqual([expect.stringMatching(what)]);
  else {
    // A service of the system: no command ends it.
    const problem = problemOf();
    expect([problem?.remedy, problem?.message]).toEqual([null, expect.stringMatching(what)]);
    expect(problem?.message).toEndWith("; stop that service until this was run again");
    m.write(FILE, JAIL + user("carl", `uid = ${uid}\n`));
    expect(linesOf(m).summary.problems).toMatchObject([
      { code: "left-uid", message: expect.stringMatching(what) },
    ]);
    process.kill();
    await process.ended;
    expect(linesOf(m).status).toBe(0);
  }
  await process.ended;
});

test("a home that stays has it: the command that is shown helps", () => {
  m.must(["jailkit", "apply", "--prune"]);
  m.write(
    DEFS,
    defs.replace(/^UID_(MIN|MAX).*$/gm, (_, which) => `UID_${which} ${uid}`),
  );
  m.write(FILE, CARL);
  const [said, ...more] = heal();
  expect(said).toContain(`'${J}/home/bob', the home that 'bob' had, has the uid ${uid}`);
  expect(more).toEqual([]);
});

test("who moves a file to where it was looked for already does not hide it", async () => {
  sh(`mkdir -p ${J}/data/a ${J}/data/b; touch ${J}/data/a/x; chown bob: ${J}/data/a/x`);
  sh(`chown nobody ${J}/data ${J}/data/a ${J}/data/b`);
  removeBob();
  const [a, b] = [`${J}/data/a`, `${J}/data/b`];
  const stops = { calls: ["getdents64"], paths: [a, b] };
  const { stderr } = await runWithStops(m, ["jailkit", "apply"], stops, (call) => {
    const [here, there] = call.includes(`<${a}>`) ? [a, b] : [b, a];
    // It has just been looked for here.
    if (m.exists(`${there}/x`) && /= 0$/.test(call)) m.must(["mv", `${there}/x`, here]);
  });
  expect(uidOf("carl")).toBeUndefined();
  expect(stderr).toMatch(/'\/srv\/customer\/data\/(a\/x|b\/x)' has the uid|changes while it is looked at/);
  expect(problemOf()?.message).toContain("/x' has the uid");
});

test("what cannot be looked through keeps it, and says so", () => {
  removeBob();
  m.mkdir(`${J}/data`, { mode: 0o755 });
  m.must(["mount", "-t", "ramfs", "none", `${J}/data`]);
  expect(problemOf()?.message).toContain(`'${J}/data' is on a file system whose files may change unseen`);
  m.must(["umount", `${J}/data`]);
  expect(linesOf(m).status).toBe(0);
});

test("a jail that is forgotten where it was, after it has moved, keeps it, also when it is known again", () => {
  const moved = "/srv/moved";
  sh(`mkdir -p ${J}/tmp; cp /bin/true ${J}/tmp/left; chown bob: ${J}/tmp/left; chmod 4755 ${J}/tmp/left`);
  removeBob();
  m.rename(J, moved);
  m.must(["jailkit", "forget", "--with-users", J]);
  m.must(["jailkit", "adopt", moved]);
  m.write(FILE, CARL.replaceAll(J, moved));
  expect(problemOf()?.message).toContain(`'${moved}/tmp/left' has the uid ${uid}`);
  expect(heal()).toHaveLength(1);
  expect(kept()).toEqual([]);
});

test("so does one in which an account lives that is removed afterwards", () => {
  const moved = "/srv/moved";
  m.rename(J, moved);
  m.must(["jailkit", "forget", "--with-users", J]);
  m.must(["jailkit", "adopt", moved]);
  sh(`mkdir -p ${moved}/tmp; touch ${moved}/tmp/left; chown bob: ${moved}/tmp/left; userdel bob`);
  m.remove(`${moved}/home/bob`);
  m.write(
    DEFS,
    defs.replace(/^UID_(MIN|MAX).*$/gm, (_, which) => `UID_${which} ${uid}`),
  );
  m.write(FILE, CARL.replaceAll(J, moved));
  expect(problemOf()?.message).toContain(`'${moved}/tmp/left' has the uid ${uid}`);
  // Nobody has removed its line.
  expect(heal()).toEqual([
    expect.stringContaining("/tmp/left"),
    expect.stringContaining(`the uid ${uid} belongs to 'bob' in '${moved}/etc/passwd'`),
  ]);
});
