/** A home is closed to others while it is copied, and open again afterwards, however the run ends. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { type Machine, openMachine } from "../machine/machine.ts";

setDefaultTimeout(120_000);

const J = "/srv/jail";
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
  expect(m.run(leave)).toMatchObject({ status: 0, stderr: "" });
  expect([m.exists(home), permissions(outside), attributes(outside)]).toEqual([false, before, "[]\n"]);
});

test("not if it was closed by hand meanwhile", () => {
  const { name, home, outside, leave } = jailed();
  inject(home, KILLED, leave);
  sh(`chmod 700 ${home}`);
  expect(m.run(leave)).toMatchObject({ status: 0, stderr: "" });
  expect([permissions(outside), attributes(outside)]).toEqual([`${name} 2700 rwx\n`, "[]\n"]);
});

test("it is not closed where root may not write down its permissions for the next run, as in most containers", () => {
  const { home, outside, leave } = jailed();
  const before = permissions(home);
  const limited = ["setpriv", "--bounding-set", "-sys_admin", ...leave];
  expect(inject(home, KILLED, limited).signal).toBe("SIGKILL");
  expect([m.exists(home), permissions(home), attributes(home)]).toEqual([true, before, "[]\n"]);
  expect(m.run(limited)).toMatchObject({ status: 0, stderr: "" });
  expect(permissions(outside)).toBe(before);
});
