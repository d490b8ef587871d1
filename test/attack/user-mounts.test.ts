/** A file system whose program never answers, in the home of a user: no tool waits for it, and the others are served. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { KEYS, openApplyMachine } from "../e2e/apply-scene.ts";
import { compiledC } from "../machine/helper.ts";
import type { Machine, MachineProcess } from "../machine/machine.ts";

setDefaultTimeout(180_000);

const jail = "/srv/customer";
const home = `${jail}/home/pia`;
const SILENT = "/usr/local/bin/silent-mount";
const canMount = /\bfuse$/m.test(readFileSync("/proc/filesystems", "latin1"));
let m: Machine;
let uid = "";

/** Declares the jail, with something to change of the second user. */
function declare(of: string, pia = true): void {
  const first = `[user pia]\njail = ${jail}\nshell = /bin/bash\nauthorized_keys = ${KEYS[0]}\n`;
  const text = `[jail ${jail}]\nsections = uidbasics, basicshell\n${pia ? first : ""}[user quin]\njail = ${jail}\nallow = sftp\n${of}`;
  m.write("/etc/jailkit/jails.d/one.ini", text);
}

beforeAll(async () => {
  if (!canMount) return;
  m = await openApplyMachine();
  m.write(SILENT, readFileSync(compiledC(join(import.meta.dir, "silent-mount.c"))), { mode: 0o755 });
  m.run(["mknod", "/dev/fuse", "c", "10", "229"]);
  declare("");
  m.must(["jailkit", "apply"]);
  uid = m.must(["id", "-u", "pia"]).stdout.trim();
  m.mkdir(`${home}/mnt`, { owner: [Number(uid), Number(uid)] });
});
afterAll(async () => m?.close());

/** The run of a tool that would wait for ever; it is ended long after any that does not. */
const run = (...words: string[]) => m.run(["timeout", "-s", "KILL", "60", ...words]);

async function mounted(at: string, user: string, options: string): Promise<MachineProcess> {
  const silent = m.start([SILENT, at, user, options]);
  await silent.until(({ stdout }) => (stdout.includes("mounted") ? true : undefined));
  return silent;
}

const CASES = ["", ",allow_other"].flatMap((options) =>
  ["/.ssh", "/mnt", ""].map((name) => [name, options, "a user"] as const),
);

describe.skipIf(!canMount)("a mount that never answers", () => {
  test.each([...CASES, ["/.ssh", ",allow_other", "root"] as const])(
    "on the home%s, with the options '%s', of %s",
    async (name, options, whose) => {
      const at = home + name;
      const silent = await mounted(at, whose === "root" ? "0" : uid, options);
      try {
        // What a user could lead elsewhere is unmounted with the rights of that user.
        const advice =
          name === ""
            ? `umount -l ${at}`
            : whose === "root"
              ? "first let root"
              : `--reuid=${uid} --regid=65534 --clear-groups fusermount3 -uz ${at}`;
        const isMount = (text: string) => text.includes(advice);
        declare("confine = 1\n");
        const applied = run("jailkit", "apply");
        // What keys need cannot be seen; the other user gets what is declared.
        expect([applied.status, isMount(applied.stderr)]).toEqual(name === "/mnt" ? [0, false] : [1, true]);
        expect(m.read(`${jail}/etc/jailkit/jk_lsh.ini`)).toContain("confine");
        declare("");
        expect(run("jailkit", "apply", "--check").status).toBe(10);
        expect(run("jailkit", "list").status).toBe(0);
        expect(run("jailkit", "disk").status).toBe(0);
        expect(run("jailkit", "export", "--declaration").status).toBe(0);
        // Killed by timeout(1): 137.
        expect(run("jailkit", "explain", "pia").status).toBeLessThan(3);
        expect(run("jailkit", "adopt", "--force", "--dry-run", jail).status).toBe(0);
        const deleted = run("jailkit", "delete", "--dry-run", "--unjail", jail);
        expect(deleted.status).toBeLessThan(2);
        expect(deleted.stderr).not.toContain("cannot be examined");
        const checked = run("jk_check", "--json", "-j", jail);
        expect(checked.status).toBeLessThan(2);
        expect(checked.stdout).toMatch(/"rule": ?"user-mount"/);
        if (whose !== "root") expect(isMount(checked.stdout)).toBe(true);
        // What is advised heals.
        m.must(["umount", "-l", at]);
        expect(run("jailkit", "apply").status).toBe(0);
        expect(run("jk_check", "--json", "-j", jail).stdout).not.toContain("user-mount");
      } finally {
        silent.kill();
        m.run(["umount", "-l", at]);
        await silent.ended;
      }
    },
  );

  test.each(["", ",allow_other"])(
    "that a user of the host has open keeps no account in a jail, with the options '%s', and unmounted",
    async (options) => {
      const at = "/home/mallory/mnt";
      m.run(["userdel", "-r", "mallory"]);
      m.addUser("mallory", { home: "/home/mallory", createHome: true, shell: "/bin/bash" });
      const mallory = m.must(["id", "-u", "mallory"]).stdout.trim();
      m.mkdir(at, { owner: [Number(mallory), Number(mallory)] });
      const dora = (name: string) => `[user ${name}]\njail = ${jail}\nshell = /bin/bash\n`;
      declare(dora("dora") + dora("carl"));
      m.must(["jailkit", "apply"]);
      const silent = await mounted(at, mallory, options);
      const open = `import os, time; os.open("${at}", os.O_PATH); print("there", flush=True); time.sleep(1000)`;
      const one = m.start(["python3", "-c", open], { user: "mallory" });
      await one.until(({ stdout }) => (stdout.includes("there") ? true : undefined));
      const runs = [dora("carl"), ""].map((stays) => {
        declare(stays);
        const { status, stderr } = run("jailkit", "apply", "--prune", "--delete-homes");
        m.run(["umount", "-l", at]);
        return [status, stderr];
      });
      one.kill();
      silent.kill();
      await Promise.all([one.ended, silent.ended]);
      expect(runs).toEqual([
        [0, ""],
        [0, ""],
      ]);
      expect(m.read("/etc/passwd")).not.toMatch(/^(?:dora|carl):/m);
    },
  );
});

describe("whoever fills a home while it is removed", () => {
  const busy = `
import os, sys
os.chdir(sys.argv[1])
print("ready", flush=True)
count = 0
while True:
    count += 1
    try:
        if sys.argv[2] == "files": open("b%d" % count, "w").close()
        else:
            os.mkdir("d%d" % count)
            if sys.argv[2] == "content": os.mkdir("d%d/x" % count)
            os.rename("d%d" % count, "e%d" % (count % 50))
    except OSError: pass
`;
  const kims = `${jail}/home/kim`;
  /** The run that removes kim's account and home while quin makes things in the home. */
  async function fillWhileRemoved(what: "files" | "directories" | "content"): Promise<[number, string]> {
    m ??= await openApplyMachine();
    declare("", false);
    m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
    declare("[user kim]\njail = /srv/customer\nshell = /bin/bash\n", false);
    m.must(["jailkit", "apply"]);
    const open = `cd ${kims} && mkdir shared && chmod 711 . && chmod 777 shared && cd shared && mkdir $(seq 500)`;
    m.must(["runuser", "-u", "kim", "--", "sh", "-c", open]);
    m.write("/run/busy.py", busy, { mode: 0o644 });
    const writer = m.start(["python3", "/run/busy.py", `${kims}/shared`, what], { user: "quin" });
    await writer.until(({ stdout }) => (stdout.includes("ready") ? true : undefined));
    declare("", false);
    const { status, stderr } = run("jailkit", "apply", "--prune", "--delete-homes");
    writer.kill();
    await writer.ended;
    return [status, stderr];
  }
  const areThere = () => [m.run(["id", "kim"]).status === 0, m.exists(kims)];

  test.each(["files", "directories"] as const)("keeps neither it nor the account: %s", async (what) => {
    expect(await fillWhileRemoved(what)).toEqual([0, ""]);
    expect(areThere()).toEqual([false, false]);
  });

  test("keeps what a directory of another account has in it, told, and not the account", async () => {
    const [status, stderr] = await fillWhileRemoved("content");
    expect(stderr).toMatch(
      /^jailkit apply: warning: user kim: the home '\S+' of uid \d+ stays: the directory '\S+' of 'quin' is in it\n(?:jailkit apply: warning: user kim: a setuid program of 'kim' may be left [^\n]*\n)?$/,
    );
    expect([status, ...areThere()]).toEqual([0, false, true]);
    m.remove(kims);
  });
});
