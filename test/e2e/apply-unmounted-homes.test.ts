/** `jailkit apply` while a file system of /etc/fstab is not mounted on which homes are: what it made there would be hidden later. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import type { ByteString } from "../../ffi/bytes.ts";
import type { Machine } from "../machine/machine.ts";
import { KEYS, linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/customer";
const FILE = "/etc/jailkit/jails.d/one.ini";
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\n`;
const user = (name: string) =>
  `[user ${name}]\njail = ${J}\nshell = /bin/bash\nauthorized_keys = ${KEYS[0]}\n`;

let m: Machine;
let fstab = "";

const sh = (text: string) => m.must(["sh", "-ec", text]);
/** The line of the file system that root mounts by hand. */
const mountPoint = (path: string) =>
  m.write("/etc/fstab", `${fstab}/root/data ${path} none bind,noauto 0 0\n`);
/** The problems of --check, and of a run, which are the same. */
function problems(...options: readonly string[]) {
  const [check, run] = [["--check"], []].map((more) => linesOf(m, ...more, ...options).summary.problems);
  expect(check).toEqual(run);
  return run?.map(({ path, code, message, remedy }) => ({ path, code, message, remedy }));
}
/** How each is told. */
const notMounted = (path: string, place: string, remedy: string) => {
  const message = expect.stringContaining(
    `'${place}': its file system, which /etc/fstab names, is not mounted; fix it with: ${remedy}`,
  );
  return { path, code: "not-mounted" as const, message, remedy };
};

beforeAll(async () => {
  m = await openApplyMachine();
  fstab = m.read("/etc/fstab");
  // Whatever login.defs(5) of this machine says.
  sh("sed -i '/^HOME_MODE/d; $a HOME_MODE 0700' /etc/login.defs");
});
beforeEach(() => {
  m.mkdir("/root/data");
  m.must(["mount", "-t", "tmpfs", "-o", "mode=755", "none", "/root/data"]);
  m.mkdir(J, { mode: 0o755 });
});
afterEach(() => {
  for (const path of [`${J}/home/bob`, `${J}/home`, J, "/root/data"]) m.run(["umount", path]);
  m.write("/etc/fstab", fstab);
  for (const name of ["bob", "carl", "dan"]) m.run(["userdel", name]);
  for (const path of ["/srv", "/root/data", "/home/dan", "/var/lib/jailkit"]) m.remove(path);
});
afterAll(() => m?.close());

/** Makes the jail with bob, whose home is on the file system of a place. */
function make(place: string): void {
  m.write(FILE, JAIL);
  m.must(["jailkit", "apply"]);
  m.mkdir(place, { mode: 0o755 });
  mountPoint(place);
  m.must(["mount", place]);
  m.write(FILE, JAIL + user("bob"));
  m.must(["jailkit", "apply"]);
}

test("no home and no key is made where homes are mounted: not of a user who is there, nor of a new one", () => {
  make(`${J}/home`);
  const keys = m.read(`${J}/home/bob/.ssh/authorized_keys`);
  m.must(["umount", `${J}/home`]);
  m.write(FILE, JAIL + user("bob") + user("carl"));
  const remedy = `mount ${J}/home`;
  expect(problems()).toEqual([
    notMounted("bob", `${J}/home/bob`, remedy),
    notMounted("carl", `${J}/home/carl`, remedy),
  ]);
  expect([m.list(`${J}/home`), m.run(["id", "carl"]).status]).toEqual([[], 1]);
  expect(m.run(["jk_addjailuser", "-s", "/bin/bash", J, "carl"])).toMatchObject({
    status: 1,
    stderr: expect.stringContaining(`fix it with: ${remedy}`),
  });
  expect(m.list(`${J}/home`)).toEqual([]);
  m.must(remedy.split(" "));
  expect(linesOf(m)).toMatchObject({
    status: 0,
    changes: [expect.objectContaining({ text: expect.stringContaining("carl") })],
  });
  expect(m.read(`${J}/home/bob/.ssh/authorized_keys`)).toBe(keys);
});

test("nor where a home of its own is mounted, whose mount point is root's", () => {
  make(`${J}/home`);
  sh(`umount ${J}/home; mkdir ${J}/home/bob`);
  mountPoint(`${J}/home/bob`);
  expect(problems()).toEqual([notMounted("bob", `${J}/home/bob`, `mount ${J}/home/bob`)]);
  expect(m.list(`${J}/home/bob`)).toEqual([]);
});

test("a home that is there all the same, below, is told, and gets nothing", () => {
  m.write(FILE, JAIL + user("bob"));
  m.must(["jailkit", "apply"]);
  mountPoint(`${J}/home`);
  const keys = m.read(`${J}/home/bob/.ssh/authorized_keys`);
  const told = [notMounted("bob", `${J}/home/bob`, `mount ${J}/home`)];
  expect(problems()).toEqual(told);
  m.write(FILE, JAIL + user("bob").replace(KEYS[0], KEYS[1]));
  expect(problems()).toEqual(told);
  expect(m.read(`${J}/home/bob/.ssh/authorized_keys`)).toBe(keys);
  // What still lets somebody in goes.
  expect(linesOf(m, "--prune").summary.problems.map(({ code }) => code)).toEqual(["not-mounted"]);
  expect(m.read(`${J}/home/bob/.ssh/authorized_keys`)).toBe("");
  m.write("/etc/fstab", fstab);
  expect(linesOf(m).status).toBe(0);
  expect(m.read(`${J}/home/bob/.ssh/authorized_keys`)).toContain(KEYS[1]);
});

test("nor in a new jail: what helps makes the mount point, which is not there yet", () => {
  m.remove(J);
  mountPoint(`${J}/home`);
  m.write(FILE, JAIL + user("carl"));
  const remedy = `mkdir -p ${J}/home && mount ${J}/home`;
  expect(problems()).toEqual([notMounted("carl", `${J}/home/carl`, remedy)]);
  sh(remedy);
  expect(linesOf(m)).toMatchObject({ status: 0, summary: { problems: [] } });
  expect(m.list("/root/data")).toEqual(["carl"]);
});

/** Types what each run advises, until one has no problem. */
function heal(): readonly ByteString[] {
  const typed: ByteString[] = [];
  for (let { summary } = linesOf(m); summary.problems.length > 0; { summary } = linesOf(m)) {
    const [{ remedy = null, message } = {}] = summary.problems;
    if (remedy === null || typed.length > 4) throw new Error(`no remedy: ${message}`);
    sh(remedy);
    typed.push(remedy);
  }
  expect(linesOf(m)).toMatchObject({ status: 0, changes: [] });
  return typed;
}

const HOME = `${J}/home/bob`;
const mode = () => sh(`stat -c '%U %a' ${HOME}; ls -A ${HOME}`).stdout.trim().split("\n");

test.each(["a new", "an old"])(
  "the home of %s account becomes the top of the file system that is mounted there",
  (which) => {
    m.write(FILE, JAIL + (which === "a new" ? "" : user("bob")));
    m.must(["jailkit", "apply"]);
    m.remove(HOME);
    m.mkdir("/root/data/lost+found");
    mountPoint(HOME);
    m.write(FILE, JAIL + user("bob"));
    expect(heal()).toEqual([`mkdir -p ${HOME} && mount ${HOME}`]);
    expect(mode()).toEqual(["bob 700", ".ssh", "lost+found"]);
  },
);

test("one that others could write is made root's alone first", () => {
  m.write(FILE, JAIL + user("bob"));
  m.must(["jailkit", "apply"]);
  sh(`chmod 1777 /root/data; rm -r ${HOME}; mkdir ${HOME}`);
  mountPoint(HOME);
  expect(heal()).toEqual([`mount ${HOME}`, `chmod go-w ${HOME}`]);
  expect(mode()).toEqual(["bob 700", ".ssh"]);
});

test("a file system with files of others is not given away: it is unmounted", () => {
  m.write(FILE, JAIL + user("bob") + user("carl"));
  sh(`mkdir -p ${HOME} ${J}/home/carl; touch /root/data/secret`);
  m.write(
    "/etc/fstab",
    `${fstab}/root/data ${HOME} none bind 0 0\n/root/data ${J}/home/carl none bind 0 0\n`,
  );
  sh(`mount ${HOME}; mount ${J}/home/carl`);
  const typed = heal();
  expect(typed.filter((one) => one.startsWith("umount"))).toHaveLength(2);
  expect([m.exists("/root/data/secret"), mode()[0]]).toEqual([true, "bob 700"]);
});

test.each(["a new", "an old"])(
  "an empty directory of the host that is mounted as the home of %s account is not given away",
  (which) => {
    m.write(FILE, JAIL + (which === "a new" ? "" : user("bob")));
    m.must(["jailkit", "apply"]);
    m.remove(HOME);
    sh(`mkdir -p ${HOME} /srv/empty; mount --bind /srv/empty ${HOME}`);
    m.write(FILE, JAIL + user("bob"));
    const said = `a file system is mounted there: give the user '${HOME}' and what is in it, or unmount it`;
    expect(problems()).toMatchObject([{ path: "bob", message: expect.stringContaining(said) }]);
    // Then the mount point is in the place of a home.
    expect(heal()[0]).toBe(`umount ${HOME}`);
    expect(mode()[0]).toStartWith("bob ");
    expect(sh("stat -c '%U %a' /srv/empty").stdout).toBe("root 755\n");
  },
);

test("nor by jk_addjailuser", () => {
  m.write(FILE, JAIL);
  m.must(["jailkit", "apply"]);
  sh(`mkdir -p ${HOME} /srv/empty; mount --bind /srv/empty ${HOME}`);
  const said = `a file system is mounted there: give the user '${HOME}' and what is in it, or unmount it`;
  expect(m.run(["jk_addjailuser", "-s", "/bin/bash", J, "bob"]).stderr).toContain(said);
  expect(sh("stat -c '%U %a' /srv/empty").stdout).toBe("root 755\n");
});

test("jk_addjailuser gives it to a new account, too, and takes it back if that cannot be made", () => {
  m.write(FILE, JAIL);
  m.must(["jailkit", "apply"]);
  m.mkdir(HOME);
  mountPoint(HOME);
  m.must(["mount", HOME]);
  m.write("/root/key", `${KEYS[0]}\n`);
  const add = ["jk_addjailuser", "-s", "/bin/bash", "--authorized-key", "/root/key", J, "bob"];
  const useradd = "/usr/sbin/useradd";
  m.rename(useradd, `${useradd}.whole`);
  m.write(useradd, `#!/bin/sh\nuseradd.whole "$@"\nln -s /etc/motd ${HOME}/.ssh\n`, { mode: 0o755 });
  expect(m.run(add).stderr).toContain("the account 'bob' was removed again");
  m.rename(`${useradd}.whole`, useradd);
  expect(mode()).toEqual(["root 755"]);
  m.must(add);
  expect(mode()).toEqual(["bob 700", ".ssh"]);
});

test("no home moves there", () => {
  make(`${J}/home`);
  sh(`umount ${J}/home; useradd -m -d /home/dan dan`);
  m.write(FILE, JAIL + user("dan"));
  expect(problems()).toEqual([notMounted("dan", `${J}/home/dan`, `mount ${J}/home`)]);
  expect([m.exists("/home/dan"), m.list(`${J}/home`)]).toEqual([true, []]);
});

test("one that is to move where a file system is mounted moves when that is unmounted for good", () => {
  m.write(FILE, JAIL);
  m.must(["jailkit", "apply"]);
  mountPoint(`${J}/home/dan`);
  sh(`useradd -m -d /home/dan dan; touch /home/dan/work; mkdir -p ${J}/home/dan`);
  m.write(FILE, JAIL + user("dan"));
  expect(heal()[1]).toStartWith(`umount ${J}/home/dan && sed `);
  expect([m.exists(`${J}/home/dan/work`), m.exists("/home/dan"), m.list("/root/data")]).toEqual([
    true,
    false,
    [],
  ]);
});

test("no file comes into a jail where something is mounted over it", () => {
  m.write(FILE, JAIL);
  m.must(["jailkit", "apply"]);
  sh(`mkdir -p ${J}/opt/of-others /opt/of-others/deep; touch /opt/of-others/deep/x`);
  mountPoint(`${J}/opt/of-others`);
  m.write(FILE, `${JAIL}files = /opt/of-others/deep/x\n`);
  expect(problems()).toEqual([notMounted(J, `${J}/opt/of-others`, `mount ${J}/opt/of-others`)]);
  expect(m.list(`${J}/opt/of-others`)).toEqual([]);
  m.must(["mount", `${J}/opt/of-others`]);
  expect(linesOf(m).status).toBe(0);
  expect(m.exists("/root/data/deep/x")).toBe(true);
  sh(`umount ${J}/opt/of-others; rm -r /opt/of-others`);
});

test("users with keys wait for a jail that is not mounted, as others do", () => {
  mountPoint(J);
  m.must(["mount", J]);
  m.write(FILE, JAIL + user("bob"));
  m.must(["jailkit", "apply"]);
  m.must(["umount", J]);
  const [jail, ...users] = problems() ?? [];
  expect(jail).toMatchObject({ path: J, code: "not-mounted", remedy: `mount ${J}` });
  expect(users).toMatchObject([{ path: "bob", code: "waits-for-jail" }]);
  expect(m.list(J)).toEqual([]);
});
