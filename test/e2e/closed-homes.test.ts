/** A home is closed to others while it is copied, and open again afterwards, however the run ends. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { type Machine, openMachine } from "../machine/machine.ts";

setDefaultTimeout(120_000);

const J = "/srv/jail";
/** What the next run says. */
const MENDED = expect.stringMatching(
  /^(?:jk_jailuser: warning: what a run that was killed has left: .*\n)+$/,
);
let m: Machine;

const sh = (line: string) => m.must(["sh", "-ec", line]).stdout;

beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  m.must(["jk_init", "-j", J, "uidbasics", "basicshell"]);
});
afterAll(() => m?.close());

let next = 0;

/** A user in the jail whose home others may enter, also by an ACL. */
function jailed() {
  const name = `eve${next++}`;
  const home = `${J}/home/${name}`;
  m.addUser(name, { home: `/home/${name}`, createHome: true, shell: "/bin/bash" });
  m.must(["jk_jailuser", "-n", "-m", "-s", "/bin/bash", "-j", J, name]);
  sh(`cd ${home}; chmod 2755 .; setfacl -m u:nobody:rwx .; echo mine >file`);
  return { name, home, outside: `/home/${name}`, leave: ["jk_jailuser", "--unjail", "-n", "-m", name] };
}

/** Runs a command, and injects what strace(1) can into its calls on the directory `path`. */
const inject = (path: string, faults: readonly string[], command: readonly string[]) =>
  m.run([
    ...["strace", "-f", "-qq", "-o", "/root/trace", "-P", path],
    ...faults.flatMap((fault) => ["-e", `inject=${fault}`]),
    ...command,
  ]);
// The first call of the copy.
const KILLED = ["flistxattr:signal=KILL:when=1"];

const FORMER = (name: string) => `${name} 2775 rwx\n`;
const permissions = (home: string) =>
  sh(`stat -c '%U %a' ${home} | tr '\n' ' '; getfacl -cnp ${home} | sed -n 's/^user:65534://p'`).replace(
    /\t.*/,
    "",
  );
const attributes = (home: string) =>
  sh(`python3 -c 'import os; print([x for x in os.listxattr("${home}") if "posix_acl" not in x])'`);

test("by the next run, if a run was killed: neither it nor the copy has the permissions of meanwhile", () => {
  const { name, home, outside, leave } = jailed();
  const before = permissions(home);
  expect(before).toBe(FORMER(name));
  expect(inject(home, KILLED, leave).signal).toBe("SIGKILL");
  expect(permissions(home)).not.toBe(before);
  expect(m.run(leave)).toMatchObject({ status: 0, stderr: MENDED });
  expect([m.exists(home), permissions(outside), attributes(outside)]).toEqual([false, before, "[]\n"]);
});

test("not if it was closed by hand meanwhile", () => {
  const { name, home, outside, leave } = jailed();
  inject(home, KILLED, leave);
  sh(`chmod 700 ${home}`);
  expect(m.run(leave)).toMatchObject({ status: 0, stderr: MENDED });
  expect([permissions(outside), attributes(outside)]).toEqual([`${name} 2700 rwx\n`, "[]\n"]);
});

test("it is not closed where root may not write down its permissions for the next run, as in most containers", () => {
  const { home, outside, leave } = jailed();
  const before = permissions(home);
  const limited = ["setpriv", "--bounding-set", "-sys_admin", ...leave];
  expect(inject(home, KILLED, limited).signal).toBe("SIGKILL");
  expect([m.exists(home), permissions(home), attributes(home)]).toEqual([true, before, "[]\n"]);
  expect(m.run(limited)).toMatchObject({ status: 0, stderr: MENDED });
  expect(permissions(outside)).toBe(before);
});

test("it is closed also where its user has left no room for its permissions on it", () => {
  const { name, home, outside, leave } = jailed();
  const before = permissions(home);
  const full = "fsetxattr:error=ENOSPC";
  expect(inject(home, [full, ...KILLED], leave).signal).toBe("SIGKILL");
  expect([permissions(home), attributes(home)]).toEqual([`${name} 3700 rwx\n`, "[]\n"]);
  expect(m.run(["jailkit", "status"]).stdout).toContain(`interrupted-move  ${home}  jk_check --fix ${J}`);
  m.run(["jk_check", "--fix", J]);
  expect(permissions(home)).toBe(before);
  inject(home, [full, ...KILLED], leave);
  expect(inject(home, [full], leave)).toMatchObject({ status: 0, stderr: MENDED });
  expect([m.exists(home), permissions(outside), m.run(["ls", "/var/lib/jailkit/moves"]).stdout]).toEqual([
    false,
    before,
    "",
  ]);
});

test("it is open again, with no room for its permissions on it, if it cannot be copied", () => {
  const { home, leave } = jailed();
  const before = permissions(home);
  const { status, stderr } = inject(home, ["fsetxattr:error=ENOSPC", "flistxattr:error=EIO:when=1"], leave);
  expect([status, stderr, permissions(home)]).toEqual([
    1,
    expect.not.stringContaining("still closed"),
    before,
  ]);
});

test.each([
  ["that cannot be removed", ["unlinkat:error=EROFS"]],
  ["that is gone, which not every file system answers for", ["fchmod:error=ESTALE:when=2+"]],
])("an account that has moved out of the old home, %s, is out of the jail", (_, faults) => {
  const { name, home, outside, leave } = jailed();
  const before = permissions(home);
  const { status, stderr } = inject(home, faults, leave);
  const isKept = m.exists(home);
  const unremoved = `jk_jailuser: warning: '${home}' could not be removed, though its copy is complete: ${home}/file: unlink: Read-only file system\n`;
  expect([status, stderr]).toEqual([0, isKept ? unremoved : ""]);
  expect([permissions(outside), m.read(`${J}/etc/passwd`)]).toEqual([
    before,
    expect.not.stringContaining(name),
  ]);
  if (!isKept) return;
  // It stays closed, and is told.
  expect(permissions(home)).toBe(`${name} 3700 rwx\n`);
  const advice = `jk_check --fix ${J}`;
  expect(m.run(["jailkit", "status"]).stdout).toContain(`interrupted-move  ${home}  ${advice}`);
  m.run(advice.split(" "));
  expect([m.exists(home), permissions(outside)]).toEqual([false, before]);
});

test("a home that cannot be opened again does not hide why it was not copied", () => {
  const { home, leave } = jailed();
  const before = permissions(home);
  const { status, stderr } = inject(home, ["fchmod:error=EROFS:when=2+", "flistxattr:error=EIO"], leave);
  expect([status, stderr]).toEqual([
    1,
    expect.stringMatching(/^jk_jailuser: warning: .*\njk_jailuser: .*Input\/output error\n$/),
  ]);
  expect(stderr).toStartWith(
    `jk_jailuser: warning: '${home}' is still closed to others, as it was while it was copied (fchmod: Read-only file system); ` +
      `to open it again: chmod 2775 ${home}\n`,
  );
  expect(permissions(home)).not.toBe(before);
  expect(m.run(leave)).toMatchObject({ status: 0, stderr: "" });
});

test.each([
  ["have a part of it mounted in a namespace of their own", "mount --bind /home/NAME/sub /mnt; cd /"],
  ["work in it by another mount", "mount --bind /home /mnt; cd /mnt/NAME/sub"],
])("others who %s are named if it cannot be copied, and what is said ends them", async (_, way) => {
  const name = `far${next++}`;
  const home = `/home/${name}`;
  const other = "/srv/other";
  if (!m.exists(other)) {
    sh(`mkdir ${other}; mount -t tmpfs -o mode=755 tmpfs ${other}; useradd mate`);
    m.must(["jk_init", "-j", other, "uidbasics", "basicshell"]);
  }
  m.addUser(name, { home, createHome: true, shell: "/bin/bash" });
  sh(`chmod 755 ${home}; mkdir ${home}/sub; chown ${name} ${home}/sub`);
  const waits = "exec setpriv --reuid mate --clear-groups sh -c 'echo on; exec sleep 600'";
  const mate = m.start(["unshare", "-m", "sh", "-ec", `${way.replace("NAME", name)}; ${waits}`]);
  await mate.until(({ stdout }) => (stdout.includes("on") ? true : undefined));
  const command = ["jk_jailuser", "-n", "-m", "-s", "/bin/bash", "-j", other, name];
  // As if a name were gone that was listed.
  const { status, stderr } = inject(`${home}/sub`, ["flistxattr:error=ENOENT"], command);
  expect([status, stderr]).toEqual([1, expect.stringContaining("while processes of 'mate' (")]);
  sh(stderr.slice(stderr.lastIndexOf("with: ") + 6));
  expect(m.run(command)).toMatchObject({ status: 0, stderr: "" });
});
