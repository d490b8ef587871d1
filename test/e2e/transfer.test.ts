/** A jail moves to another machine by the commands of docs/panels.md, typed on two machines with a network between them. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { REPORT_SCHEMAS } from "../../build/schemas.ts";
import { reportOf } from "../report.ts";
import { blocksOf } from "../words/blocks.ts";
import { type Machines, openMachines } from "./transfer-scene.ts";

setDefaultTimeout(120_000);

const JAIL = "/srv/customer";
const HASH = "$6$salt$IxDD3jeSOb5eB1CX5LBsqZFVkJdido3OUILO5Ifz5iwMuTS4XMS130MTSuDDl3aCI6WouIL9AjRbLCelDCy.g.";

/** The lines of docs/panels.md that this test types, block by block. */
const blocks = blocksOf("docs/panels.md")
  .filter(({ notRun }) => notRun?.includes("transfer.test.ts"))
  .map(({ text }) => text.trim().split("\n"));

let world: Machines;

/** Types lines of the page on the new machine, and returns what each printed. */
const type = (lines: readonly string[]) =>
  lines.map((line) => {
    const { status, stdout, stderr } = world.fresh.run(["sh", "-c", line]);
    expect([line, status, stderr.replace(/^jailkit (?:import|delete): warning: .*\n/gm, "")]).toEqual([
      line,
      0,
      "",
    ]);
    return stdout;
  });

beforeAll(async () => {
  world = await openMachines();
  const { old, key } = world;
  old.write("/root/key.pub", key);
  old.write("/usr/local/bin/greet", "#!/bin/sh\necho hello from $1\n", { mode: 0o755 });
  old.write(
    "/etc/jailkit/jk_init.d/shop.ini",
    "[shop]\ncomment = of our own\npaths = greet,\n  /usr/bin/rsync\nincludesections = basicshell\n",
  );
  old.must(["jk_init", "-j", JAIL, "shop", "sftp", "jk_lsh"]);
  old.must(["jk_cp", "-j", JAIL, "/usr/bin/env"]);
  const add = ["jk_addjailuser", "-j", JAIL, "-G", "jailed", "--authorized-key", "/root/key.pub"];
  old.must([...add, "-u", "5101", "-p", HASH, "-c", "Customer One", "-s", "/bin/bash", "customer1"]);
  old.must([...add, "-u", "5102", "--policy", "sftp,rsync", "customer2"]);
  old.write(
    "/etc/jailkit/jk_socketd.d/srv-customer.ini",
    `[${JAIL}/dev/log]\nbase = 400\npeak = 1500\ninterval = 12.5\n`,
  );
  const files = `${JAIL}/home/customer1`;
  const owner = [5101, 100] as const;
  old.write(`${files}/letter`, "dear reader\n", { owner: [...owner], mode: 0o640 });
  old.write(`${files}/bytes-\xff`, "x", { owner: [...owner] });
  old.must(["ln", `${files}/letter`, `${files}/again`]);
  old.must(["setfattr", "-n", "user.colour", "-v", "blue", `${files}/letter`]);
});
afterAll(() => world?.close());

test("the page has four blocks for two machines", () => {
  expect(blocks.map(({ length }) => length)).toEqual([3, 5, 1, 2]);
});

test("the file has no password, and only root can read it", () => {
  const { old } = world;
  old.must(["jailkit", "export", "-o", "/root/customer.json", JAIL]);
  expect(old.stat("/root/customer.json")).toMatchObject({ mode: 0o100600, uid: 0 });
  const text = old.read("/root/customer.json");
  expect(text).not.toContain("$6$");
  const report = reportOf(REPORT_SCHEMAS["jailkit export"], text);
  expect(report).toMatchObject({
    jail: JAIL,
    requests: [
      { tool: "jk_init", names: ["shop", "sftp", "jk_lsh"] },
      { tool: "jk_cp", names: ["/usr/bin/env"] },
    ],
    users: [
      { name: "customer1", uid: 5101, group: "users", comment: "Customer One", shell: "/bin/bash" },
      { name: "customer2", uid: 5102, shell: "/usr/sbin/jk_lsh" },
    ],
    policies: [{ name: "customer2" }],
    logSocket: { base: 400, peak: 1500, interval: 12.5 },
  });
  expect(report).toHaveProperty("sections.0", {
    name: "shop",
    own: true,
    keys: { comment: "of our own", paths: "greet, /usr/bin/rsync", includesections: "basicshell" },
  });
});

test("what is missing on the new machine is told before the first change", () => {
  const { old, fresh } = world;
  old.must(["jk_cp", "-j", JAIL, "/usr/local/bin/greet"]);
  old.must(["jailkit", "export", "-o", "/root/customer.json", JAIL]);
  fresh.write("/root/early.json", old.read("/root/customer.json"));
  const places = ["/srv", "/etc"];
  const before = places.map((path) => fresh.snapshot(path));
  const refused = fresh.run(["jailkit", "import", "--create-users", "-j", JAIL, "/root/early.json"]);
  expect(refused).toMatchObject({ status: 1, stdout: "" });
  expect(refused.stderr).toContain("jailkit import: /usr/local/bin/greet does not exist on this machine\n");
  expect(places.map((path) => fresh.snapshot(path))).toEqual(before);
  expect(fresh.exists("/var/lib/jailkit/jails")).toBe(false);
  // The administrator installs it.
  fresh.write("/usr/local/bin/greet", old.read("/usr/local/bin/greet"), { mode: 0o755 });
});

test("the jail is there, with its users", () => {
  const { old, fresh, sshd } = world;
  const [, dry, real] = type(blocks[0] ?? []);
  expect(dry).toContain(
    "would create the account customer1 (uid 5101, group users, home /home/customer1, shell /bin/bash)\n",
  );
  expect(real).toContain("created the account 'customer1' with the uid 5101 and no password\n");
  const list = (machine: typeof old) =>
    JSON.parse(machine.must(["jailkit", "list", "--json", JAIL]).stdout).jails[0];
  const { record: _1, lastRequest: _2, ...before } = list(old);
  const { record: _3, lastRequest: _4, ...after } = list(fresh);
  expect(after).toEqual(before);
  expect(after).toMatchObject({ state: "ready", sections: ["shop", "sftp", "jk_lsh"] });
  expect(fresh.run(["jk_update", "--check", "-j", JAIL]).status).toBe(0);
  expect(fresh.must(["jailkit", "export", JAIL]).stdout).toBe(old.must(["jailkit", "export", JAIL]).stdout);
  expect(sshd.ssh("customer1", ["true"]).status).toBe(255);
});

test("the files of users come as they were, when their sessions are ended", async () => {
  const { old, fresh } = world;
  // What somebody who took over the old machine may leave there.
  const hostile = `${JAIL}/home/customer1/hostile`;
  old.mkdir(hostile);
  for (const mode of ["4755", "2755"]) {
    old.write(`${hostile}/${mode}`, "x", { mode: 0o755 });
    old.must(["chmod", mode, `${hostile}/${mode}`]);
  }
  old.write(`${hostile}/capable`, "x", { mode: 0o755 });
  old.must(["setcap", "cap_setuid+ep", `${hostile}/capable`]);
  old.must(["mknod", "-m", "0666", `${hostile}/null`, "c", "1", "3"]);
  old.must(["mkfifo", `${hostile}/fifo`]);
  const session = old.start(["sleep", "infinity"], { user: "customer1" });
  const [, , , check] = type(blocks[1] ?? []);
  expect((await session.ended).signal).toBe("SIGKILL");
  expect(check).toBe("");
  expect(
    fresh.must(["find", hostile, "-type", "f", "-printf", "%f %m\\n"]).stdout.split("\n").sort(),
  ).toEqual([...["", "2755 755", "4755 755", "capable 755"]]);
  expect(fresh.must(["getcap", `${hostile}/capable`]).stdout).toBe("");
  expect([fresh.exists(`${hostile}/null`), fresh.exists(`${hostile}/fifo`)]).toEqual([false, false]);
  for (const machine of [old, fresh]) machine.must(["rm", "-r", hostile]);
  const files = ["sh", "-c", `cd ${JAIL} && find . -printf '%p %y %m %U:%G %l\\n' | sort`];
  expect(fresh.must(files).stdout).toBe(old.must(files).stdout);
  const letter = `${JAIL}/home/customer1/letter`;
  expect(fresh.must(["getfattr", "-n", "user.colour", letter]).stdout).toContain("blue");
  expect(fresh.stat(letter)?.nlink).toBe(2);
  const expiry = (machine: typeof old) =>
    machine.must(["getent", "shadow", "customer1"]).stdout.split(":")[7];
  expect([expiry(old), expiry(fresh)]).toEqual(["1", ""]);
});

test("users log in there, with the key and the password that they had", () => {
  const { old, fresh, sshd } = world;
  const login = sshd.ssh("customer1", ["greet", "jail; cat letter; ls /srv"]);
  expect(login).toMatchObject({ status: 2, stdout: "hello from jail\ndear reader\n" });
  fresh.must(["rsync", "-a", "-e", sshd.command, "customer2@127.0.0.1:.ssh/", "/root/got"]);
  expect(fresh.exists("/root/got/authorized_keys")).toBe(true);
  expect(sshd.ssh("customer2", ["cat", "letter"]).status).not.toBe(0);
  const shadow = (machine: typeof old) => /^customer1:([^:]*)/m.exec(machine.read("/etc/shadow"))?.[1];
  expect(shadow(fresh)).toBe("*");
  const root = fresh.must(["getent", "shadow", "root"]).stdout;
  // The old machine answers with what it likes.
  old.write("/usr/local/bin/getent", `#!/bin/sh\nprintf '%s\\n' 'root:${HASH}:1' 'customer1::1' 'x'\n`, {
    mode: 0o755,
  });
  type(blocks[2] ?? []);
  old.must(["rm", "/usr/local/bin/getent"]);
  expect([shadow(fresh), fresh.must(["getent", "shadow", "root"]).stdout]).toEqual(["*", root]);
  type(blocks[2] ?? []);
  expect([shadow(fresh), shadow(old)]).toEqual([HASH, HASH]);
});

test("the old machine knows the jail no longer", () => {
  const { old, fresh, sshd } = world;
  type(blocks[3] ?? []);
  expect(old.exists(JAIL)).toBe(false);
  expect(old.must(["jailkit", "list"]).stdout).not.toContain(JAIL);
  expect(old.exists("/etc/jailkit/jk_socketd.d/srv-customer.ini")).toBe(false);
  expect(sshd.ssh("customer1", ["cat", "letter"]).stdout).toBe("dear reader\n");
  expect(fresh.must(["jailkit", "list", JAIL]).stdout).toContain("customer1,customer2");
});
